"""Group commit where something fails or ends: each sender still has its own answer."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from held_groups import LIMIT, Gate, answers, received, statuses, submit, thread
from pipeline_site import Make, Site

from dicom_common.core import DicomCommonError, UnavailableError, Write
from dicom_common.pipeline import Ingest, Result


@pytest.mark.parametrize(
    ("failure", "reason", "retry"),
    [
        (UnavailableError("away"), "index-unavailable", True),
        (UnavailableError("full"), "index-unavailable", True),
    ],
)
def test_an_index_that_fails_fails_only_its_group(
    site: Site, make: Make, failure: Exception, reason: str, *, retry: bool
) -> None:
    services = site.services()
    adds = Gate(services.db, "add")
    adds.failure = failure
    with Ingest(services) as ingest:
        first = submit(ingest, make(1))
        adds.wait()
        second = submit(ingest, make(2), make(3))
        adds.open()
        [failed] = answers(first)
        assert (failed.status, failed.reason, failed.retry) == ("rejected", reason, retry)
        assert statuses(second) == ["stored"] * 2
        assert statuses(submit(ingest, make(1))) == ["stored"]
    site.assert_consistent()


@pytest.mark.parametrize("failure", [TypeError("a defect"), ValueError("another"), RuntimeError("a third")])
def test_a_storage_with_a_defect_fails_only_what_met_it(site: Site, make: Make, failure: Exception) -> None:
    services = site.services()
    writes = Gate(services.storage, "write_many")
    writes.failure = failure
    with Ingest(services) as ingest:
        first = submit(ingest, make(1))
        writes.wait()
        second = submit(ingest, make(2), make(3))
        writes.open()
        [failed] = answers(first)
        assert (failed.status, failed.reason) == ("rejected", "storage-failed")
        assert type(failure).__name__ in failed.message
        assert "defect" not in failed.message
        assert statuses(second) == ["stored"] * 2


def test_one_that_the_storage_cannot_take_spoils_no_other_of_its_group(site: Site, make: Make) -> None:
    services = site.services()
    writes = Gate(services.storage, "write_many")
    real: Any = services.storage.write_many  # type: ignore[attr-defined]  # the storage offers it

    def refuse(content: Sequence[Write]) -> Any:
        if any("2.25.1.1.1.3.dcm" in write.key for write in content):
            raise LookupError
        return real(content)

    services.storage.write_many = refuse  # type: ignore[attr-defined]  # the same
    writes.open()
    with Ingest(services) as ingest:
        results = ingest.store([received(make(number)) for number in range(1, 8)], tenant="local")
    assert [result.reason for result in results] == ["", "", "storage-failed", "", "", "", ""]
    site.assert_consistent()


def test_close_waits_for_what_was_submitted_and_takes_nothing_more(site: Site, make: Make) -> None:
    services = site.services()
    writes = Gate(services.storage, "write_many")
    ingest = Ingest(services)
    futures = submit(ingest, make(1), make(2))
    with thread(ingest.close) as closing:
        closing.join(0.05)
        assert closing.is_alive()
        writes.open()
    assert all(future.done() for future in futures)
    assert statuses(futures) == ["stored"] * 2
    with pytest.raises(DicomCommonError, match="closed"):
        ingest.submit(received(make(3)), tenant="local")
    with pytest.raises(DicomCommonError, match="closed"):
        ingest.store([received(make(3))], tenant="local")
    ingest.close()


def test_one_that_waits_for_room_is_refused_when_it_is_closed(site: Site, make: Make) -> None:
    services = site.services(ingest__batch_instances="1")
    writes = Gate(services.storage, "write_many")
    ingest = Ingest(services)
    futures = submit(ingest, make(1), make(2), make(3))
    refused: list[Exception] = []

    def wait_for_room() -> None:
        try:
            submit(ingest, make(4))
        except DicomCommonError as error:
            refused.append(error)

    with thread(wait_for_room), thread(ingest.close):
        while not refused:
            time.sleep(0.001)
        writes.open()
    assert statuses(futures) == ["stored"] * 3


def test_a_callback_of_a_future_may_store(site: Site, make: Make) -> None:
    with site.ingest() as ingest:
        later: list[Result] = []
        done = threading.Event()

        def store(_: Future[Result]) -> None:
            later.extend(ingest.store([received(make(2)), received(make(1))], tenant="local"))
            done.set()

        [future] = submit(ingest, make(1))
        future.add_done_callback(store)
        assert done.wait(LIMIT)
        assert [str(result.status) for result in later] == ["stored", "duplicate"]


def test_a_forked_child_submits_for_itself(site: Site, make: Make) -> None:
    services = site.services()
    writes = Gate(services.storage, "write_many")
    with Ingest(services) as ingest:
        mine = submit(ingest, make(1))
        writes.wait()  # the parent's helper holds its group
        child = os.fork()
        if not child:
            code = 1
            try:
                writes.open()
                code = 0 if statuses(submit(ingest, make(2), make(3))) == ["stored"] * 2 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        writes.open()
        assert statuses(mine) == ["stored"]
    assert len(site.rows) == 3
    site.assert_consistent()


def test_where_no_thread_can_be_started_the_caller_does_the_work(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with site.ingest() as ingest:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        try:
            [future] = submit(ingest, make(1))
            assert future.done()
        finally:
            monkeypatch.undo()
        assert statuses([future]) == ["stored"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is what the thread ends by
def test_a_callback_that_ends_its_thread_leaves_no_future_without_an_answer(site: Site, make: Make) -> None:
    def end(_: Future[Result]) -> None:
        raise asyncio.CancelledError  # no `Exception`

    services = site.services()
    writes = Gate(services.storage, "write_many")
    with Ingest(services) as ingest:
        futures = submit(ingest, *(make(number) for number in range(8)))
        for future in futures:
            future.add_done_callback(end)
        writes.open()
        assert statuses(futures) == ["stored"] * 8
    site.assert_consistent()
