"""What several requests store at the same time: one call of the ingest, an answer for each, none forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_instances import make_instance

from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Result, Status
from dicom_common.web._errors import HttpError
from dicom_common.web._lanes import Lane
from dicom_common.web._store_calls import StoreCalls


class _Counting(Ingest):
    """An ingest that notes how many instances each call has."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.calls: list[int] = []

    def store(self, received: Sequence[Received], *, tenant: str, study_uid: str | None = None) -> list[Result]:
        self.calls.append(len(received))
        return super().store(received, tenant=tenant, study_uid=study_uid)


def _run(tmp_path: Path, work: Any, *, size: int = 4, waiting: int = 100, at_once: int = 1) -> _Counting:
    with (
        Services(Config.load(overrides={"data": str(tmp_path / "data")}, variables={})) as services,
        _Counting(services) as ingest,
    ):
        lane = Lane("store", size, waiting)

        async def main() -> None:
            await work(StoreCalls(ingest, lane, at_once=at_once))

        try:
            asyncio.run(main())
        finally:
            lane.close()
    return ingest


def _store(calls: StoreCalls, number: int, tenant: str = "local") -> Coroutine[Any, Any, Sequence[Result]]:
    received = Received(source=make_instance(instance=number + 1), name=str(number))
    return calls.store([received], tenant=tenant, study_uid=None)


def test_requests_that_come_while_one_is_stored_share_the_next_call(tmp_path: Path) -> None:
    async def work(calls: StoreCalls) -> None:
        answers = await asyncio.gather(*(_store(calls, number) for number in range(20)))
        for number, (result,) in enumerate(answers):
            assert (result.name, result.status) == (str(number), Status.STORED)

    assert _run(tmp_path, work).calls == [1, 19]


def test_tenants_do_not_share_a_call(tmp_path: Path) -> None:
    async def work(calls: StoreCalls) -> None:
        await asyncio.gather(*(_store(calls, number, f"tenant-{number % 3}") for number in range(9)))

    assert sorted(_run(tmp_path, work).calls) == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("which", [0, 1, 7])
def test_a_request_that_is_given_up_leaves_the_others_their_answers(tmp_path: Path, which: int) -> None:
    async def work(calls: StoreCalls) -> None:
        tasks = [asyncio.create_task(_store(calls, number)) for number in range(8)]
        await asyncio.sleep(0)
        tasks[which].cancel()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        lost = [answer for answer in answers if isinstance(answer, BaseException)]
        # Native cancellation of the one that calls takes the answers of that call with it, which is the first alone.
        assert len(lost) == 1
        (again,) = await _store(calls, 100)
        assert again.status is Status.STORED

    _run(tmp_path, work)


def test_too_many_that_wait_are_refused_and_the_others_are_stored(tmp_path: Path) -> None:
    async def work(calls: StoreCalls) -> None:
        answers = await asyncio.gather(*(_store(calls, number) for number in range(10)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, HttpError)]
        assert [error.status for error in refused] == [503] * 5
        assert sum(not isinstance(answer, BaseException) for answer in answers) == 5

    _run(tmp_path, work, waiting=4)


def test_a_closed_ingest_is_an_error_of_each_request(tmp_path: Path) -> None:
    async def work(calls: StoreCalls) -> None:
        calls._ingest.close()
        answers = await asyncio.gather(*(_store(calls, number) for number in range(3)), return_exceptions=True)
        assert [type(answer).__name__ for answer in answers] == ["DicomCommonError"] * 3

    _run(tmp_path, work)
