"""The outbox and its lease."""

from __future__ import annotations

from sqlalchemy import Delete, bindparam, delete, func, select, update

from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import outbox, outbox_lease

_c, _lease = outbox.c, outbox_lease.c

oldest = (
    select(_c.event_id, _c.tenant, _c.topic, _c.event_key, _c.headers, _c.body)
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)
backlog = select(func.count(), select(_c.created).order_by(_c.pk).limit(1).scalar_subquery()).select_from(outbox)
take = (
    update(outbox_lease)
    .where((_lease.relay == bindparam("name")) | (_lease.until <= bindparam("moment")))
    .values(relay=bindparam("name"), until=bindparam("end"))
)


def published(among: Among) -> Delete:
    """Delete events."""
    return delete(outbox).where(among(_c.event_id))
