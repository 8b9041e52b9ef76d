"""The outbox: events that were written with the index rows and have not reached the broker yet."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import Dialect, bindparam, delete, func, insert, select, update

from dicom_common.core import Backlog, Event
from dicom_common.db.sql._discarded import now
from dicom_common.db.sql._schema import outbox, outbox_lease
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._values import moment

__all__ = ["Outbox"]


class Outbox:
    """The statements of the outbox, for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        c = outbox.c
        names = ("event_id", "tenant", "topic", "event_key", "headers", "body", "created")
        self._insert = Statement(insert(outbox).values({name: bindparam(f"new_{name}") for name in names}), dialect)
        self._oldest = Statement(
            select(c.event_id, c.tenant, c.topic, c.event_key, c.headers, c.body)
            .order_by(c.pk)
            .limit(bindparam("limit")),
            dialect,
        )
        self._published = Lookup(dialect, lambda values: delete(outbox).where(c.event_id.in_(values)))
        first = select(c.created).order_by(c.pk).limit(1).scalar_subquery()
        self._backlog = Statement(select(func.count(), first).select_from(outbox), dialect)
        lease = outbox_lease.c
        self._take = Statement(
            update(outbox_lease)
            .where((lease.relay == bindparam("name")) | (lease.until <= bindparam("moment")))
            .values(relay=bindparam("name"), until=bindparam("end")),
            dialect,
        )
        self._first = Statement(
            insert(outbox_lease).values(pk=bindparam("one"), relay=bindparam("name"), until=bindparam("end")), dialect
        )
        self._held = Statement(select(lease.pk), dialect)

    def put(self, session: Session, events: Iterable[Event]) -> None:
        """Write events behind all others."""
        created = now()
        self._insert.run_many(
            session,
            [
                {
                    "new_event_id": event.id,
                    "new_tenant": event.tenant,
                    "new_topic": event.topic,
                    "new_event_key": event.key,
                    "new_body": event.body,
                    "new_created": created,
                    "new_headers": json.dumps(dict(event.headers), ensure_ascii=False).encode("utf-8", "replace"),
                }
                for event in events
            ],
        )

    def pending(self, session: Session, limit: int, relay: str, lease: float) -> list[Event]:
        """See `Database.pending`."""
        present = now()
        taken = {"name": relay, "moment": present, "end": present + int(lease * 1_000_000)}
        if not self._take.run(session, taken):
            if self._held.rows(session, {}):
                return []
            self._first.run(session, taken | {"one": 1})
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
