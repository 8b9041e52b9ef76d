"""The outbox: events that were written with the index rows and have not reached the broker yet."""

from __future__ import annotations

import json
from collections.abc import Iterable

from dicom_common.core import Backlog, Event
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._discarded import now
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._values import moment

__all__ = ["Outbox"]

_encode = json.JSONEncoder(ensure_ascii=False).encode
_COLUMNS = ("event_id", "tenant", "topic", "event_key", "headers", "body", "created")


class Outbox:
    """The statements of the outbox, for one database product.

    Keys ascend as rows are inserted, which `add` does while it holds the studies: so the events of a study are read in
    the order in which its transactions were committed. (A transaction of another study may be committed later with
    lesser keys. That is why `published` names its events, and no position is kept of how far they were read.)
    """

    def __init__(self, dialect: SqlDialect) -> None:
        self._insert = dialect.inserter("outbox", _COLUMNS)
        self._oldest, self._take = Statement(dialect, "outbox.oldest"), Statement(dialect, "outbox.take")
        self._published, self._backlog = Lookup(dialect, "outbox.published"), Statement(dialect, "outbox.backlog")

    def put(self, session: Session, events: Iterable[Event]) -> None:
        """Write events behind all others."""
        created = now()
        self._insert(
            session,
            [
                (event.id, event.tenant, event.topic, event.key, _headers(event), event.body, created)
                for event in events
            ],
        )

    def pending(self, session: Session, limit: int, relay: str, lease: float) -> list[Event]:
        """See `Database.pending`."""
        present = now()
        taken = {"name": relay, "moment": present, "end": present + int(lease * 1_000_000)}
        if not self._take.run(session, taken):
            return []
        return [
            Event(
                tenant=tenant, topic=topic, key=key, body=bytes(body), id=event_id, headers=json.loads(bytes(headers))
            )
            for event_id, tenant, topic, key, headers, body in self._oldest.rows(session, {"limit": max(limit, 0)})
        ]

    def published(self, session: Session, events: Iterable[Event]) -> None:
        """See `Database.published`."""
        self._published.run(session, [event.id for event in events])

    def backlog(self, session: Session) -> Backlog:
        """See `Database.backlog`."""
        ((count, oldest),) = self._backlog.rows(session, {})
        return Backlog(events=count, oldest=None if oldest is None else moment(oldest))


def _headers(event: Event) -> bytes:
    if not event.headers:
        return b"{}"
    return _encode(dict(event.headers)).encode("utf-8", "replace")
