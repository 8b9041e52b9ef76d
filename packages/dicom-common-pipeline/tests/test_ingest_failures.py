"""When a backend, a file or a process fails: nothing that was acknowledged is lost, and nothing is half there."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.core import UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, delete_discarded

Write = Callable[[Sequence[bytes]], list[Path]]


def store_with(ingest: Ingest, *sources: Any) -> list[Any]:
    return ingest.store([Received(source=source, name=str(source)[:20]) for source in sources], tenant="local")


def between_read_and_write(services: Services, act: Callable[[], object]) -> None:
    """Let something happen when the index is asked what it knows, which is after the reading and before the writing."""
    database: Any = services.db  # a moment is chosen, nothing is replaced
    asked = database.stored

    def stored(*arguments: Any) -> Any:
        act()
        return asked(*arguments)

    database.stored = stored


@pytest.mark.parametrize("change", ["other bytes", "shorter", "gone"])
def test_a_file_that_changes_between_read_and_write_is_not_stored(
    site: Site, make: Make, write: Write, change: str
) -> None:
    large, good = write([make(1, payload=b"x" * 100_000), make(2)])
    acts: dict[str, Callable[[], object]] = {
        "other bytes": lambda: large.write_bytes(make(1, payload=b"y" * 100_000)),
        "shorter": lambda: os.truncate(large, 50_000),
        "gone": large.unlink,
    }
    services = site.services(ingest__in_memory_bytes="2000")
    between_read_and_write(services, acts[change])
    with Ingest(services) as ingest:
        changed, other = store_with(ingest, large, good)
    assert (changed.status, changed.reason, changed.retry) == ("rejected", "changed", True)
    assert other.status == "stored"
    assert list(site.objects.values()) == [make(2)]
    assert len(site.rows) == 1
    site.assert_consistent()


def test_a_file_that_vanishes_before_it_is_compared_is_answered(site: Site, make: Make, write: Write) -> None:
    site.store(make(1, payload=b"y" * 100_000))
    [large] = write([make(1, payload=b"x" * 100_000)])
    services = site.services(ingest__in_memory_bytes="2000")
    between_read_and_write(services, large.unlink)
    with Ingest(services) as ingest:
        [changed] = store_with(ingest, large)
    assert (changed.status, changed.reason, changed.retry) == ("rejected", "changed", True)


def test_a_storage_that_fails_is_an_answer_and_the_next_try_succeeds(site: Site, make: Make) -> None:
    site.store(make(1))
    root = site.data / "objects"
    services = site.services()
    with Ingest(services) as ingest:
        shutil.move(root / "local", site.data / "aside")
        (root / "local").write_bytes(b"a file where a folder should be")
        [failed, bad] = store_with(ingest, make(2), b"no DICOM")
        assert failed.status == bad.status == "rejected"
        assert failed.reason.startswith("storage-")
        assert (failed.retry, bad.retry) == (True, False)
        assert not services.db.stored("local", [failed.sop_uid])
        (root / "local").unlink()
        shutil.move(site.data / "aside", root / "local")
        [stored] = store_with(ingest, make(2))
    assert stored.status == "stored"
    assert len(site.objects) == len(site.rows) == 2
    site.assert_consistent()


class KeepsOne:
    """A storage that goes on to the real one, and does not delete one object."""

    def __init__(self, real: Any, key: str) -> None:
        self._real, self._key = real, key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def delete(self, key: str) -> None:
        if key == self._key:
            raise UnavailableError("the storage went away")
        self._real.delete(key)


def test_a_discarded_object_that_cannot_be_deleted_yet_is_deleted_by_the_next_sweep(site: Site, make: Make) -> None:
    [first, _] = site.store(make(1), make(2))
    with Services(site.config()) as services:
        real, services._opened["storage"] = services.storage, KeepsOne(services.storage, str(first.key))
        services.db.remove("local", "2.25.1.1")
        assert delete_discarded(services) == 1
        assert site.discarded == [first.key]
        assert site.objects.keys() == {first.key}
        services._opened["storage"] = real
        assert delete_discarded(services) == 1
    assert (site.discarded, site.objects) == ([], {})


def test_an_index_that_is_locked_is_an_answer_and_the_next_try_adopts_the_object(site: Site, make: Make) -> None:
    site.store(make(1))
    with Ingest(site.services(db__busy_timeout="0.2")) as ingest:
        with closing(sqlite3.connect(site.data / "index.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            [failed] = store_with(ingest, make(2))
        assert (failed.status, failed.reason, failed.retry) == ("rejected", "index-unavailable", True)
        assert make(2) in site.objects.values()  # an orphan: durable, not acknowledged
        [adopted] = store_with(ingest, make(2))
    assert adopted.status == "stored"
    assert len(site.objects) == len(site.rows) == 2
    site.assert_consistent()


def test_an_index_that_is_broken_acknowledges_nothing(site: Site, make: Make) -> None:
    site.store(make(1))
    index = site.data / "index.sqlite"
    whole = index.read_bytes()
    for extra in ("-wal", "-shm"):
        Path(f"{index}{extra}").unlink(missing_ok=True)
    index.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with Ingest(site.services()) as ingest:
        results = store_with(ingest, make(2), make(3))
    assert {(result.status, result.reason) for result in results} == {("rejected", "index-failed")}
    index.write_bytes(whole)
    assert [result.status for result in site.store(make(1), make(2), make(3))] == ["duplicate", "stored", "stored"]
    site.assert_consistent()


def test_one_instance_that_the_index_does_not_take_does_not_spoil_its_batch(site: Site, make: Make) -> None:
    services = site.services()
    _ = services.db
    with closing(sqlite3.connect(site.data / "index.sqlite")) as database:
        database.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON instance WHEN NEW.sop_uid = '2.25.1.1.1.3'"
            " BEGIN SELECT RAISE(ABORT, 'poison'); END"
        )
        database.commit()
    with Ingest(services) as ingest:
        results = store_with(ingest, *(make(number) for number in range(1, 8)))
    assert [result.status for result in results] == ["stored"] * 2 + ["rejected"] + ["stored"] * 4
    assert results[2].reason == "index-failed"
    assert len(site.rows) == 6
    assert len(site.events("dicom_image_queue")) == 6


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """A disk that is full for whatever is larger than 150 kB, as far as one process can have that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full_refuses_with_retry_and_leaves_nothing_half(
    tmp_path: Path, make: Make, request: pytest.FixtureRequest
) -> None:
    site = Site(tmp_path / "data", [])
    services = site.services()
    with Ingest(services) as ingest:
        assert store_with(ingest, make(1))[0].status == "stored"
        request.getfixturevalue("small_files_only")
        [full] = store_with(ingest, make(2, payload=b"x" * 200_000))
    assert (full.status, full.reason, full.retry) == ("rejected", "storage-unavailable", True)
    assert len(site.objects) == 1
    held = [path for path in (site.data / "objects").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert len(held) == 1, "what was half written is left behind"
    site.close()


def test_an_orphan_of_a_crash_is_adopted_by_the_next_try(site: Site, make: Make) -> None:
    [first] = site.store(make())
    (site.data / "index.sqlite").unlink()
    for extra in ("-wal", "-shm"):
        Path(f"{site.data / 'index.sqlite'}{extra}").unlink(missing_ok=True)
    file = site.data / "objects" / (first.key or "")
    before = file.stat().st_mtime_ns
    [second] = site.store(make())
    assert (second.status, second.key) == ("stored", first.key)
    assert file.stat().st_mtime_ns == before
    assert len(site.events("dicom_image_queue")) == 1


def test_other_bytes_of_a_crash_in_the_way_are_passed_by(site: Site, make: Make) -> None:
    [first] = site.store(make(payload=b"old!"))
    for file in site.data.glob("index.sqlite*"):
        file.unlink()
    [second] = site.store(make(payload=b"new!"))
    assert second.status == "stored"
    assert second.key != first.key
    assert site.objects == {first.key: make(payload=b"old!"), second.key: make(payload=b"new!")}


_KILLED = """
import os, signal, sys
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received
services = Services(Config.load(overrides={"data": sys.argv[1], "ingest.duplicates": "replace"}, variables={}))
if sys.argv[3] != "never":
    target = services.storage if sys.argv[3] in ("write_many", "delete") else services.db
    real, late = getattr(target, sys.argv[3]), sys.argv[4] == "after"
    def dying(*arguments, **named):
        if late: real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(target, sys.argv[3], dying)
with Ingest(services) as ingest:
    print(ingest.store([Received(source=open(sys.argv[2], "rb").read(), name="x")], tenant="local")[0].status)
"""


@pytest.mark.kills
@pytest.mark.parametrize(
    ("step", "when"),
    [("write_many", "before"), ("write_many", "after"), ("add", "after"), ("delete", "after"), ("deleted", "after")],
)
def test_a_process_that_is_killed_at_a_step_of_a_replace_leaves_one_good_instance(
    site: Site, make: Make, write: Write, step: str, when: str
) -> None:
    [file] = write([make(payload=b"new!")])
    site.store(make(payload=b"old!"))
    command = [sys.executable, "-c", _KILLED, str(site.data), str(file), step, when]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    [row] = site.rows
    assert site.objects[row.key] in (make(payload=b"old!"), make(payload=b"new!"))
    [again] = site.store(make(payload=b"new!"), ingest__duplicates="replace")
    assert again.status in ("replaced", "duplicate")
    [row] = site.rows
    assert site.objects[row.key] == make(payload=b"new!")
    # An object of a crash between write and commit is what reconcile is there for; all else is gone or on the list.
    orphans = site.objects.keys() - {row.key} - set(site.discarded)
    assert len(orphans) <= (1 if (step, when) == ("write_many", "after") else 0)
    assert len(site.events("dicom_image_queue")) == 2


def test_an_ingest_that_waits_for_a_lock_goes_on_when_it_is_free(site: Site, make: Make) -> None:
    site.store(make(1))
    other = sqlite3.connect(site.data / "index.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, other.rollback)
    timer.start()
    assert site.store(make(2))[0].status == "stored"
    timer.join()
    other.close()
