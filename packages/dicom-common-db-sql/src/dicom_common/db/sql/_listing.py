"""Instances one after another: by UID, by storage key, and all of a study or series in the order of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from dicom_common.core import Stored
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["Listing", "Place"]

Place = tuple[int, str, str | None, str | None]
"""A tenant, a study, and possibly a series and an instance of it."""


class Listing:
    """The statements that list instances, for one dialect."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        self._by_uid, self._by_key = Lookup(dialect, "listing.by_uid"), Lookup(dialect, "listing.by_key")
        self._by_pk, self._json = Lookup(dialect, "listing.by_pk"), Lookup(dialect, "listing.json")
        self._walk = Statement(dialect, "listing.walk")
        self._places = {
            shape: Statement(dialect, "listing.place", *shape) for shape in product((False, True), repeat=2)
        }

    def stored(self, session: Session, tenant_pk: int, uids: Iterable[str]) -> dict[str, Stored]:
        """See `Database.stored`."""
        return {row[3]: _stored(row) for row in self._by_uid.rows(session, dict.fromkeys(uids), tenant=tenant_pk)}

    def owners(self, session: Session, keys: Iterable[str]) -> dict[str, Stored]:
        """See `Database.owners`."""
        return {row[6]: _stored(row) for row in self._by_key.rows(session, dict.fromkeys(keys))}

    def at(self, session: Session, place: Place) -> list[int]:
        """Return the surrogate keys of the instances of a place, in order."""
        tenant_pk, study_uid, series_uid, sop_uid = place
        statement = self._places[series_uid is not None, sop_uid is not None]
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
