"""Instances one after another: by UID, by storage key, and all of a study or series in the order of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, or_, select

from dicom_common.core import Level, Stored
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._find import ORDER
from dicom_common.db.sql._schema import instance, instance_json, series, study, tenant
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement, of_tenant

__all__ = ["Listing", "Place"]

Place = tuple[int, str, str | None, str | None]
"""A tenant, a study, and possibly a series and an instance of it."""

_JOINED = (
    instance.join(series).join(study, series.c.study_fk == study.c.pk).join(tenant, tenant.c.pk == instance.c.tenant_fk)
)
_STORED = (
    tenant.c.name,
    study.c.study_uid,
    series.c.series_uid,
    instance.c.sop_uid,
    instance.c.sop_class_uid,
    instance.c.transfer_syntax_uid,
    instance.c.storage_key,
    instance.c.size,
    instance.c.sha256,
)


class Listing:
    """The statements that list instances, for one dialect."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        c = instance.c
        listed = select(*_STORED).select_from(_JOINED)
        self._by_uid = Lookup(dialect, lambda among: of_tenant(listed.where(among(c.sop_uid)), instance))
        self._by_key = Lookup(dialect, lambda among: listed.where(among(c.storage_key)))
        with_pk = select(c.pk, *_STORED).select_from(_JOINED)
        self._by_pk = Lookup(dialect, lambda among: with_pk.where(among(c.pk)))
        self._json = Lookup(
            dialect,
            lambda among: select(instance_json.c.instance_fk, instance_json.c.metadata).where(
                among(instance_json.c.instance_fk)
            ),
        )
        self._places: dict[tuple[bool, bool], Statement] = {}
        self._walk = Statement(
            select(c.pk, *_STORED)
            .select_from(_JOINED)
            .where(c.storage_key >= bindparam("key"), or_(c.storage_key > bindparam("key"), c.pk > bindparam("pk")))
            .order_by(c.storage_key, c.pk)
            .limit(bindparam("limit")),
            dialect,
        )

    def stored(self, session: Session, tenant_pk: int, uids: Iterable[str]) -> dict[str, Stored]:
        """See `Database.stored`."""
        return {row[3]: _stored(row) for row in self._by_uid.rows(session, dict.fromkeys(uids), tenant=tenant_pk)}

    def owners(self, session: Session, keys: Iterable[str]) -> dict[str, Stored]:
        """See `Database.owners`."""
        return {row[6]: _stored(row) for row in self._by_key.rows(session, dict.fromkeys(keys))}

    def at(self, session: Session, place: Place) -> list[int]:
        """Return the surrogate keys of the instances of a place, in order."""
        tenant_pk, study_uid, series_uid, sop_uid = place
        shape = (series_uid is not None, sop_uid is not None)
        statement = self._places.get(shape)
        if statement is None:
            tests = [study.c.study_uid == bindparam("study"), study.c.tenant_fk == bindparam("tenant")]
            if series_uid is not None:
                tests.append(series.c.series_uid == bindparam("series"))
            if sop_uid is not None:
                tests.append(and_(instance.c.sop_uid == bindparam("sop"), instance.c.tenant_fk == bindparam("tenant")))
            element = select(instance.c.pk).select_from(_JOINED).where(*tests).order_by(*ORDER[Level.INSTANCE])
            statement = self._places[shape] = Statement(element, self._dialect)
        parameters = {"tenant": tenant_pk, "study": study_uid, "series": series_uid, "sop": sop_uid}
        return [row[0] for row in statement.rows(session, parameters)]

    def some(self, session: Session, pks: Sequence[int]) -> list[Stored]:
        """Return instances by surrogate key, in the order of the keys; those that are gone are left out."""
        found = {row[0]: _stored(row[1:]) for row in self._by_pk.rows(session, pks)}
        return [found[pk] for pk in pks if pk in found]

    def metadata(self, session: Session, pks: Sequence[int]) -> list[bytes]:
        """Return the metadata of instances by surrogate key, in the order of the keys."""
        found = {row[0]: bytes(row[1]) for row in self._json.rows(session, pks)}
        return [found[pk] for pk in pks if pk in found]

    def page(self, session: Session, key: str, pk: int, limit: int) -> list[tuple[int, Stored]]:
        """Return instances in the order of their storage keys, from behind (key, pk) on."""
        rows = self._walk.rows(session, {"key": key, "pk": pk, "limit": limit})
        return [(row[0], _stored(row[1:])) for row in rows]


def _stored(row: Sequence[Any]) -> Stored:
    return Stored(
        tenant=row[0],
        study_uid=row[1],
        series_uid=row[2],
        sop_uid=row[3],
        sop_class_uid=row[4],
        transfer_syntax_uid=row[5],
        key=row[6],
        size=row[7],
        sha256=row[8],
    )
