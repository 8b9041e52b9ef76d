"""The statements of the logs: written at the end, read page by page, pruned from the beginning in steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from dicom_common.core import LogPosition, LogRecord, QueryError, ReceivedObject, WebAccess
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._log_rows import KINDS, Kind
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Statement
from dicom_common.db.sql._transactions import Transactions
from dicom_common.db.sql._values import clean, micros

__all__ = ["LogStatements", "LogTransactions"]

R = TypeVar("R", ReceivedObject, WebAccess)
T = TypeVar("T")
_MAX_STEP = 100_000
_ASKED = ("since", "until", "study", "at")
"""What records may be asked for by, beside the tenant."""


class LogStatements:
    """The statements of both logs, for one dialect."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._logs = {kind: _Log(dialect, log) for kind, log in KINDS.items()}

    def of(self, kind: type[LogRecord]) -> _Log:
        """Return the statements of a log."""
        return self._logs[kind]

    def all(self) -> Iterable[_Log]:
        """Return the statements of each log."""
        return self._logs.values()

    def put(self, session: Session, records: Iterable[LogRecord]) -> None:
        """Write records; those that are there already are left as they are."""
        by_kind: dict[type[LogRecord], dict[Any, LogRecord]] = {}
        for record in records:
            by_kind.setdefault(type(record), {})[record.position] = record
        for kind, distinct in by_kind.items():
            self._logs[kind].put(session, list(distinct.values()))


class _Log:
    """The statements of one log."""

    def __init__(self, dialect: SqlDialect, log: Kind) -> None:
        self._dialect, self._log = dialect, log
        self._insert = dialect.insert_new(log.table)
        self._reads: dict[tuple[Any, ...], Statement] = {}
        self._count = Statement(dialect, "logs.count", log.table)
        # The last record of a step is looked up first: no database deletes "the first N" in a way that all share.
        self._last = Statement(dialect, "logs.last", log.table)
        self._delete_to = Statement(dialect, "logs.delete_to", log.table)
        self._delete_all = Statement(dialect, "logs.delete_all", log.table)

    def put(self, session: Session, records: Sequence[LogRecord]) -> None:
        """Write records of distinct positions; in the order of the key, in which no two writers wait for each other."""
        self._insert(session, sorted((self._log.row(record) for record in records), key=lambda row: (row[0], row[1])))

    def read(  # noqa: PLR0913 - what `Logs.read_log` has
        self,
        session: Session,
        tenant: str,
        *,
        since: datetime | None,
        until: datetime | None,
        study_uid: str | None,
        after: LogPosition | None,
        newest_first: bool,
        limit: int,
    ) -> list[Any]:
        """See `Logs.read_log`."""
        given: dict[str, Any] = {"tenant": tenant, "limit": max(limit, 0)}
        if since is not None:
            given["since"] = micros(since)
        if until is not None:
            given["until"] = micros(until)
        if study_uid is not None:
            given["study"] = clean(study_uid, 64)
        if after is not None:
            given |= {"at": micros(after.time), "id": after.id}
        statement = self.reading(newest_first, tuple(name for name in _ASKED if name in given))
        return [self._log.record(row) for row in statement.rows(session, given)]

    def count(self, session: Session, before: datetime) -> int:
        """See `Logs.count_log`."""
        return int(self._count.rows(session, {"before": micros(before)})[0][0])

    def prune(self, session: Session, before: datetime, limit: int) -> int:
        """See `Logs.prune_log`."""
        given = {"before": micros(before)}
        last = self._last.rows(session, {**given, "limit": 1, "skipped": limit - 1})
        if not last:
            return self._delete_all.run(session, given)
        created, id_ = last[0]
        return self._delete_to.run(session, {"created": created, "last": id_})

    def reading(self, newest_first: bool, given: tuple[str, ...]) -> Statement:
        """Return the statement that reads a page; `given` names what is asked for beside the tenant."""
        shape = (self._log.table, newest_first, given)
        if shape not in self._reads:
            self._reads[shape] = Statement(self._dialect, "logs.read", *shape)
        return self._reads[shape]


class LogTransactions(Transactions):
    """The logs as `dicom_common.core.Logs` asks for them: a base of `SqlDatabase`."""

    _logs: LogStatements

    def write_log(self, records: Sequence[LogRecord]) -> None:
        """See `Logs.write_log`."""
        wanted = list(records)
        if wanted:
            self._write(lambda session: self._logs.put(session, wanted))

    def read_log(  # noqa: PLR0913 - what `Logs.read_log` has
        self,
        kind: type[R],
        tenant: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        study_uid: str | None = None,
        after: LogPosition | None = None,
        newest_first: bool = False,
        limit: int = 1000,
    ) -> list[R]:
        """See `Logs.read_log`."""
        if study_uid is not None and not KINDS[kind].has_study:
            raise QueryError("Only the log of received objects can be read by study: leave the study out.")
        statements = self._logs.of(kind)

        def work(session: Session) -> list[R]:
            return statements.read(
                session,
                tenant,
                since=since,
                until=until,
                study_uid=study_uid,
                after=after,
                newest_first=newest_first,
                limit=limit,
            )

        return self._read(work)

    def count_log(self, kind: type[LogRecord], *, before: datetime) -> int:
        """See `Logs.count_log`."""
        return self._read(lambda session: self._logs.of(kind).count(session, before))

    def prune_log(self, kind: type[LogRecord], *, before: datetime, limit: int = 10_000) -> int:
        """See `Logs.prune_log`."""
        step = min(max(limit, 1), _MAX_STEP)
        return self._write(lambda session: self._logs.of(kind).prune(session, before, step))
