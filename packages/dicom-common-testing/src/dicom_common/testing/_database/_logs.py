"""The part of the contract of an index that is about the logs; for a database that is a `Logs`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, cast

import pytest

from dicom_common.core import (
    AddStatus,
    Database,
    Event,
    LogPosition,
    LogRecord,
    Logs,
    Outcome,
    QueryError,
    ReceivedObject,
    WebAccess,
)
from dicom_common.testing._contract import ability
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["LogsContract", "make_access", "make_received"]

_START = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
_KINDS = pytest.mark.parametrize("case_kind", [ReceivedObject, WebAccess])
_ODD = "' OR '1'='1 %_\\ \u201d 山 \U0001f600 \0 end"


def make_received(number: int = 1, **fields: Any) -> ReceivedObject:
    """Make a record of an object that was received, `number` seconds after a certain moment.

    Args:
        number: says when, and makes its UIDs and its id.
        fields: fields of `ReceivedObject`, in place of what is made up.
    """
    made: dict[str, Any] = {
        "id": f"0190b5c0-0000-7000-8000-{number:012d}",
        "time": _START + timedelta(seconds=number),
        "tenant": "local",
        "study_uid": f"1.2.3.{number % 3}",
        "series_uid": f"1.2.3.{number % 3}.1",
        "sop_uid": f"1.2.3.{number % 3}.1.{number}",
        "key": f"local/{number}.dcm",
        "size": 1000 + number,
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    }
    return ReceivedObject(**(made | fields))


def make_access(number: int = 1, **fields: Any) -> WebAccess:
    """Make a record of a web request, `number` seconds after a certain moment.

    Args:
        number: says when, and makes its id.
        fields: fields of `WebAccess`, in place of what is made up.
    """
    made: dict[str, Any] = {
        "id": f"0190b5c0-0000-7000-8000-{number:012d}",
        "time": _START + timedelta(seconds=number),
        "tenant": "local",
        "method": "GET",
        "path": f"/studies/1.2.3.{number}",
        "status": 200,
    }
    return WebAccess(**(made | fields))


def _make(kind: type[LogRecord], number: int, **fields: Any) -> LogRecord:
    return make_received(number, **fields) if kind is ReceivedObject else make_access(number, **fields)


def _read(logs: Logs, kind: type[Any], tenant: str = "local", **how: Any) -> list[Any]:
    return logs.read_log(kind, tenant, **how)


def _pages(logs: Logs, kind: type[Any], size: int, *, newest_first: bool) -> Iterator[list[Any]]:
    after: LogPosition | None = None
    while page := _read(logs, kind, after=after, newest_first=newest_first, limit=size):
        yield page
        after = page[-1].position


class LogsContract:
    """The logs of received objects and of web requests."""

    @pytest.fixture
    def logs(self, database: Database) -> Logs:
        """Return the database as what keeps the logs."""
        assert isinstance(database, Logs)
        return database

    @ability(Logs)
    def test_a_record_is_read_as_it_was_written(self, logs: Logs) -> None:
        received = make_received(
            1,
            target_transfer_syntax_uid="1.2.840.10008.1.2.4.80",
            transfer_status="Success",
            frames=12,
            worker_node="node-1",
            patient_id="MADE-UP-1",
            accession_number="A1",
            study_date=date(2026, 2, 28),
            source_ip="192.0.2.1",
            source_ae="SENDER",
        )
        access = make_access(
            1,
            request_id="r-1",
            query="PatientID=MADE-UP-1&limit=5",
            peer="[2001:db8::1]:443",
            headers={"Accept": "application/dicom+json", "X-Odd": "山\0"},
            user="somebody",
            user_id="u-1",
            content_length=5_000_000_000,
            duration_ms=12.25,
        )
        bare = make_received(2), make_access(2)
        logs.write_log([received, access, *bare])
        assert _read(logs, ReceivedObject) == [received, bare[0]]
        assert _read(logs, WebAccess) == [access, bare[1]]

    @ability(Logs)
    def test_a_moment_in_another_zone_is_the_same_moment(self, logs: Logs) -> None:
        logs.write_log([make_received(1, time=datetime(2026, 1, 1, 1, 30, 0, 7, tzinfo=timezone(timedelta(hours=2))))])
        (record,) = _read(logs, ReceivedObject)
        assert record.time == datetime(2025, 12, 31, 23, 30, 0, 7, tzinfo=UTC)

    @ability(Logs)
    def test_text_of_any_sort_is_taken(self, logs: Logs) -> None:
        logs.write_log([
            make_received(1, patient_id=_ODD, accession_number="x" * 10_000, source_ae="\ud800", worker_node=_ODD),
            make_access(1, path="/" + "山" * 100_000, query=_ODD, user="y" * 1000, headers={"a": "z" * 90_000}),
            make_access(2, headers={"a": "1", "b": _ODD, "c": "z" * 90_000}),
        ])  # fmt: skip
        (received,) = _read(logs, ReceivedObject)
        assert received.patient_id == received.worker_node == _ODD.replace("\0", "")
        assert received.accession_number.startswith("xxx")
        cut, kept = _read(logs, WebAccess)
        assert cut.path.startswith("/山山")
        assert cut.query == _ODD.replace("\0", "")
        assert kept.headers == {"a": "1", "b": _ODD}

    @ability(Logs)
    @_KINDS
    def test_a_record_that_comes_twice_changes_nothing(self, logs: Logs, case_kind: type[LogRecord]) -> None:
        first = [_make(case_kind, number) for number in range(5)]
        logs.write_log(first)
        again: list[LogRecord] = [dataclasses.replace(one, tenant="other") for one in first]
        logs.write_log([*again, _make(case_kind, 5), _make(case_kind, 5)])
        assert _read(logs, case_kind) == [*first, _make(case_kind, 5)]
        assert _read(logs, case_kind, "other") == []

    @ability(Logs)
    @_KINDS
    def test_the_same_id_at_another_time_is_another_record(self, logs: Logs, case_kind: type[LogRecord]) -> None:
        logs.write_log([_make(case_kind, 1, id="one"), _make(case_kind, 2, id="one")])
        assert [record.time.second for record in _read(logs, case_kind)] == [1, 2]

    @ability(Logs)
    @_KINDS
    def test_records_are_read_by_tenant_and_by_time(self, logs: Logs, case_kind: type[LogRecord]) -> None:
        logs.write_log([_make(case_kind, number, tenant="ab"[number % 2]) for number in (5, 3, 9, 0, 7, 1, 8, 2, 6, 4)])

        def seconds(**how: Any) -> list[int]:
            return [record.time.second for record in _read(logs, case_kind, "b", **how)]

        third, seventh = _START + timedelta(seconds=3), _START + timedelta(seconds=7)
        assert seconds() == [1, 3, 5, 7, 9]
        assert seconds(newest_first=True) == [9, 7, 5, 3, 1]
        assert seconds(since=third) == [3, 5, 7, 9]
        assert seconds(until=seventh) == [1, 3, 5]
        assert seconds(since=third, until=seventh, newest_first=True) == [5, 3]
        assert seconds(since=third, after=LogPosition(third, _make(case_kind, 3).id)) == [5, 7, 9]
        assert seconds(limit=2) == [1, 3]
        assert seconds(limit=0) == []
        assert _read(logs, case_kind, "c") == []

    @ability(Logs)
    @_KINDS
    @pytest.mark.parametrize("case_newest_first", [False, True])
    def test_pages_put_together_are_the_whole_log(
        self, logs: Logs, case_kind: type[LogRecord], *, case_newest_first: bool
    ) -> None:
        # Many at the same moment, so that a page ends between them; and one that comes while pages are read.
        records = [_make(case_kind, number, time=_START + timedelta(microseconds=number // 7)) for number in range(40)]
        logs.write_log(records[1:])
        pages = _pages(logs, case_kind, 3, newest_first=case_newest_first)
        first = next(pages)
        logs.write_log(
            [
                _make(
                    case_kind,
                    99,
                    time=_START - timedelta(days=1) if not case_newest_first else _START.replace(year=2027),
                )
            ]
        )
        read = [record.id for record in first] + [record.id for page in pages for record in page]
        expected = [record.id for record in records[1:]]
        assert read == (expected[::-1] if case_newest_first else expected)

    @ability(Logs)
    def test_received_objects_are_read_by_study(self, logs: Logs) -> None:
        logs.write_log([make_received(number) for number in range(9)])
        found = _read(logs, ReceivedObject, study_uid="1.2.3.2", newest_first=True)
        assert [record.time.second for record in found] == [8, 5, 2]
        assert _read(logs, ReceivedObject, study_uid="1.2.3.%") == []
        with pytest.raises(QueryError):
            _read(logs, WebAccess, study_uid="1.2.3.2")

    @ability(Logs)
    @_KINDS
    def test_pruning_goes_in_steps_from_the_oldest_on(self, logs: Logs, case_kind: type[LogRecord]) -> None:
        # Seven records at each moment: a step ends between them.
        moments = [_START + timedelta(seconds=number // 7) for number in range(35)]
        logs.write_log([_make(case_kind, n, time=at, tenant="ab"[n % 2]) for n, at in enumerate(moments)])
        before = _START + timedelta(seconds=3)
        assert logs.count_log(case_kind, before=before) == 21
        assert logs.prune_log(case_kind, before=before, limit=10) == 10
        left = sorted(record.id for tenant in "ab" for record in _read(logs, case_kind, tenant))
        assert left == [_make(case_kind, number).id for number in range(10, 35)]
        assert [logs.prune_log(case_kind, before=before, limit=10) for _ in range(3)] == [10, 1, 0]
        assert logs.count_log(case_kind, before=before) == 0
        assert logs.count_log(case_kind, before=before + timedelta(days=1)) == 14

    @ability(Logs)
    def test_pruning_a_log_leaves_the_other_alone(self, logs: Logs) -> None:
        logs.write_log([make_received(1), make_access(1)])
        later = _START + timedelta(days=1)
        assert logs.prune_log(ReceivedObject, before=later) == 1
        assert (logs.count_log(ReceivedObject, before=later), logs.count_log(WebAccess, before=later)) == (0, 1)

    @ability(Logs)
    @_KINDS
    def test_many_write_and_prune_at_once(self, logs: Logs, case_kind: type[LogRecord]) -> None:
        early = [_make(case_kind, number) for number in range(300)]
        logs.write_log(early)
        late = [_make(case_kind, number) for number in range(500, 900)]
        before = late[0].time

        def write(start: int) -> None:  # each batch is written by two
            for first in range(start, 400, 50):
                logs.write_log(late[first : first + 100])

        def prune() -> int:
            return sum(iter(lambda: logs.prune_log(case_kind, before=before, limit=30), 0))

        with ThreadPoolExecutor(6) as threads:
            pruning = [threads.submit(prune) for _ in range(2)]
            writing = [threads.submit(write, start) for start in (0, 50, 0, 25)]
            pruned = [one.result() for one in pruning]
            for one in writing:
                one.result()
        assert sum(pruned) == 300
        assert _read(logs, case_kind) == late

    @ability(Logs)
    def test_log_records_of_an_add_are_written_with_its_rows(self, logs: Logs) -> None:
        database = cast("Database", logs)
        entries = [make_entry(make_instance(number)) for number in range(1, 4)]

        def said(outcomes: Sequence[Outcome]) -> Iterator[Event | LogRecord]:
            for number, outcome in enumerate(outcomes):
                if outcome.status is AddStatus.ADDED:
                    yield make_received(number)
                    yield Event(tenant="local", topic="added", key="k", body=b"{}")

        database.add(entries[:2], events=said)
        database.add(entries, events=said)
        assert [record.time.second for record in _read(logs, ReceivedObject)] == [0, 1, 2]
        assert database.backlog().events == 3

    @ability(Logs)
    def test_an_add_that_fails_leaves_no_log_record(self, logs: Logs) -> None:
        def fails(outcomes: Sequence[Outcome]) -> Iterator[Event | LogRecord]:
            yield make_received(len(outcomes))
            raise RuntimeError("on purpose")

        with pytest.raises(RuntimeError, match="on purpose"):
            cast("Database", logs).add([make_entry()], events=fails)
        assert _read(logs, ReceivedObject) == []
