"""The list of discarded keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Delete, Select, Update, bindparam, delete, select, update

from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import discarded_key, instance

_c = discarded_key.c

waiting = (
    select(_c.storage_key).where(_c.deleted.is_(None)).order_by(_c.discarded, _c.storage_key).limit(bindparam("limit"))
)
old = delete(discarded_key).where(_c.deleted < bindparam("since"))


def retired(among: Among) -> Select[Any]:
    """Return those of several keys that may not be used."""
    return select(_c.storage_key).where(
        among(_c.storage_key), (_c.deleted.is_(None)) | (_c.deleted >= bindparam("since"))
    )


def referred(among: Among) -> Select[Any]:
    """Return those of several keys that rows refer to."""
    return select(instance.c.storage_key).where(among(instance.c.storage_key))


def forget(among: Among) -> Delete:
    """Take keys out of the list."""
    return delete(discarded_key).where(among(_c.storage_key))


def deleted(among: Among) -> Update:
    """Note that the objects of keys are gone."""
    return update(discarded_key).where(among(_c.storage_key)).values(deleted=bindparam("now"))
