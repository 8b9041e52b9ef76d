"""The logs of an installation: which objects were received, and who asked the web interface for what.

They say whose image came from where and who looked at it, for years, in tables of their own. Records are known by
(time, id): both are made where the thing happens and travel with its message, so a message that comes twice leaves one
record. No repr shows what is in a record: it has a patient's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

__all__ = ["LogPosition", "LogRecord", "Logs", "ReceivedObject", "WebAccess"]

_MAX_ID = 64
_NEVER_KEPT = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


class LogPosition(NamedTuple):
    """Where a record stands in its log."""

    time: datetime
    id: str


def _check(time: datetime, id_: str) -> None:
    if time.tzinfo is None:
        raise ValueError("the time of a log record has to have a zone")
    if not 0 < len(id_) <= _MAX_ID or not id_.isascii() or not id_.isprintable():
        raise ValueError(f"the id of a log record has to be 1 to {_MAX_ID} printable ASCII characters, such as a UUID")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReceivedObject:
    """One object that was received and is in the index: the fields of the message in the topic `log_queue`."""

    id: str
    """The message's `trace_id`."""
    time: datetime
    """When it was received, with its zone (`created_time`)."""
    tenant: str
    study_uid: str
    series_uid: str
    sop_uid: str
    key: str
    """Where the storage has it (`file_path`)."""
    size: int
    """Bytes (`file_size`)."""
    transfer_syntax_uid: str
    target_transfer_syntax_uid: str | None = None
    """What it is to be converted to for viewers (`target_ts`)."""
    transfer_status: str = "NoNeedTransfer"
    """`NoNeedTransfer`, `NeedTransfer`, `Success` or `Failed`."""
    frames: int = 1
    """Number of Frames (0028,0008)."""
    worker_node: str = ""
    """The process that took it in (`worker_node_id`)."""
    patient_id: str = ""
    accession_number: str | None = None
    study_date: date | None = None
    source_ip: str | None = None
    source_ae: str | None = None
    """The sender's AE title: what it said, not who it is."""

    def __post_init__(self) -> None:
        """Refuse what cannot be found again."""
        _check(self.time, self.id)

    @property
    def position(self) -> LogPosition:
        """Where it stands in the log."""
        return LogPosition(self.time, self.id)

    def __repr__(self) -> str:
        return f"<ReceivedObject {self.id}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WebAccess:
    """One request to the web interface: the fields of the message in the topic `webapi_access_queue`."""

    id: str
    """The event id of the message; a `request_id` may be the caller's own, and not unique."""
    time: datetime
    """When the request came, with its zone (`timestamp`)."""
    tenant: str
    method: str
    path: str
    status: int
    request_id: str = ""
    query: str = ""
    """The query string as it came (`query_params`)."""
    peer: str | None = None
    """The address of the caller (`peer_addr`)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the request. Those that hold credentials are left out: Authorization, Cookie and their like."""
    user: str | None = None
    user_id: str | None = None
    content_length: int | None = None
    """Bytes of the answer."""
    duration_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be found again, and forget credentials."""
        _check(self.time, self.id)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _NEVER_KEPT}
        object.__setattr__(self, "headers", kept)

    @property
    def position(self) -> LogPosition:
        """Where it stands in the log."""
        return LogPosition(self.time, self.id)

    def __repr__(self) -> str:
        return f"<WebAccess {self.id}>"


LogRecord = ReceivedObject | WebAccess
R = TypeVar("R", ReceivedObject, WebAccess)


@runtime_checkable
class Logs(Protocol):
    """A database that keeps the logs too. Every method may raise `UnavailableError` and `RefusedError`.

    Such a database also takes log records among the events of `Database.add`: they are written in that transaction, so
    that the log of received objects agrees with the index.
    """

    def write_log(self, records: Sequence[LogRecord]) -> None:
        """Write records, of both logs if need be, in one transaction. A record whose (time, id) is there is skipped."""
        ...

    def read_log(  # noqa: PLR0913 - each narrows the answer
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
        """Read the records of a tenant from `since` on and before `until`, in the order of (time, id).

        A page after another: pass the `position` of the last record as `after`. Records that come meanwhile shift none.

        Args:
            kind: the class of the records, which says which log.
            tenant: whose records.
            since: the first moment.
            until: the first moment that does not count any more.
            study_uid: only objects of this study; for `ReceivedObject`.
            after: go on behind this position, in the order that is read in.
            newest_first: from the latest to the earliest.
            limit: the greatest number of records.

        Raises:
            QueryError: `study_uid` with a log that has none.
        """
        ...

    def count_log(self, kind: type[LogRecord], *, before: datetime) -> int:
        """Count the records of all tenants before a moment."""
        ...

    def prune_log(self, kind: type[LogRecord], *, before: datetime, limit: int = 10_000) -> int:
        """Delete the oldest records of all tenants before a moment, at most `limit`, and return how many they were.

        A step is a transaction of its own: call it until it returns 0. One that is interrupted is simply gone on with.
        """
        ...
