"""Instances one after another: by UID, by storage key, and all of a study or series in the order of an answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from dicom_common.core import Level, Match, Stored
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["Listing", "Place"]

Place = tuple[int, str, str | None, str | None]
"""A tenant, a study, and possibly a series and an instance of it."""


_PLACES = {
    Level.PATIENT: ("PatientID", "IssuerOfPatientID"),
    Level.STUDY: ("StudyInstanceUID",),
    Level.SERIES: ("StudyInstanceUID", "SeriesInstanceUID"),
    Level.INSTANCE: ("SOPInstanceUID",),
}
"""What tells the matches of a level apart."""
_ASKED = {Level.PATIENT: 0, Level.STUDY: 0, Level.SERIES: 1, Level.INSTANCE: 0}
"""Which of it is looked up."""


class Listing:
    """The statements that list instances, for one dialect."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        self._by_uid, self._by_key = Lookup(dialect, "listing.by_uid"), Lookup(dialect, "listing.by_key")
        self._by_pk, self._json = Lookup(dialect, "listing.by_pk"), Lookup(dialect, "listing.json")
        self._json_of_instances = Lookup(dialect, "listing.json_of_instances")
        self._first = {
            Level.PATIENT: Lookup(dialect, "listing.first_of_patients"),
            Level.STUDY: Lookup(dialect, "listing.first_of_studies"),
            Level.SERIES: Lookup(dialect, "listing.first_of_series"),
        }
        self._walk = Statement(dialect, "listing.walk")
        self._frames, self._walk_frames = (
            Statement(dialect, "listing.frames"),
            Statement(dialect, "listing.walk_without_frames"),
        )
        self._bytes_of, self._keep_frames = (
            Lookup(dialect, "listing.bytes_of"),
            Statement(dialect, "listing.keep_frames"),
        )
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

    def metadata_of(
        self, session: Session, tenant_pk: int, level: Level, matches: Sequence[Match]
    ) -> list[bytes | None]:
        """See `Database.metadata_of`: one statement, or two above the level of instances."""
        places = [tuple([_key(match, keyword) for keyword in _PLACES[level]]) for match in matches]
        asked = dict.fromkeys(place[_ASKED[level]] for place in places)
        if level is Level.INSTANCE:
            rows = self._json_of_instances.rows(session, asked, tenant=tenant_pk)
            of_uid = {row[0]: bytes(row[1]) for row in rows}
            return [of_uid.get(uid) for (uid,) in places]
        first = {tuple(row[:-1]): row[-1] for row in self._first[level].rows(session, asked, tenant=tenant_pk)}
        wanted = dict.fromkeys(pk for place in places if (pk := first.get(place)) is not None)
        found = {row[0]: bytes(row[1]) for row in self._json.rows(session, wanted)}
        return [found.get(first.get(place)) for place in places]

    def page(
        self, session: Session, key: str, pk: int, limit: int, *, without_frames: bool = False
    ) -> list[tuple[int, Stored]]:
        """Return instances in the order of their storage keys, from behind (key, pk) on."""
        statement = self._walk_frames if without_frames else self._walk
        rows = statement.rows(session, {"key": key, "pk": pk, "limit": limit})
        return [(row[0], _stored(row[1:])) for row in rows]

    def frames(
        self, session: Session, tenant_pk: int, study_uid: str, series_uid: str, sop_uid: str
    ) -> tuple[Stored, bytes] | None:
        """See `KeptFrames.frames`."""
        parameters = {"tenant": tenant_pk, "study": study_uid, "series": series_uid, "sop": sop_uid}
        rows = self._frames.rows(session, parameters)
        return (_stored(rows[0]), bytes(rows[0][-1] or b"")) if rows else None

    def keep_frames(self, session: Session, frames: Sequence[tuple[Stored, bytes]]) -> int:
        """See `KeptFrames.keep_frames`."""
        found = self._bytes_of.rows(session, dict.fromkeys(stored.key for stored, _ in frames))
        there = {(key, sha256): pk for key, pk, sha256 in found}
        rows = {there.get((stored.key, stored.sha256)): kept for stored, kept in frames if kept}
        rows.pop(None, None)
        self._keep_frames.run_many(session, [{"at": pk, "frames": kept} for pk, kept in rows.items()])
        return len(rows)


def _key(match: Match, keyword: str) -> str:
    return str(match.get(keyword) or "")


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
