"""Taking instances out of the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dicom_common.core import Level, Stored
from dicom_common.db.sql._columns import PARENTS, TABLES
from dicom_common.db.sql._counts import Counts
from dicom_common.db.sql._derive import Derivation
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._discarded import Discarded
from dicom_common.db.sql._listing import Listing
from dicom_common.db.sql._ranks import ranks_from_text
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup

__all__ = ["Removal"]


class Removal:
    """The statements of `remove`, for one database product. No other one writes instances meanwhile: see `guard`."""

    def __init__(self, dialect: SqlDialect, listing: Listing, discarded: Discarded, derivation: Derivation) -> None:
        self._listing, self._discarded, self._derivation = listing, discarded, derivation
        self._counts, self._modalities, self._revisions = Counts(dialect), derivation.modalities, derivation.revisions
        self._parents = Lookup(dialect, "removal.parents")
        self._json, self._instance = Lookup(dialect, "add.forget_json"), Lookup(dialect, "add.forget")
        self._items = Lookup(dialect, "derive.forget", "request_item", "series_fk")
        self._series_class = Lookup(dialect, "derive.forget", "series_class", "series_fk")
        self._empty = {level: Lookup(dialect, "derive.forget", TABLES[level], "pk") for level in PARENTS}
        self._left = {level: Lookup(dialect, "removal.left", level) for level in PARENTS}

    def remove(self, session: Session, pks: Sequence[int]) -> list[Stored]:
        """Remove instances and what is empty then; parents that stay are counted, and derived if a source is gone."""
        removed = self._listing.some(session, pks)
        rows = list(self._parents.rows(session, pks))  # (SOP Class, patient, study, series) of each
        of_level = {level: Counter(row[1 + level] for row in rows) for level in PARENTS}
        up = {row[3]: (row[2], row[1]) for row in rows}
        self._json.run(session, pks)
        self._instance.run(session, pks)
        classes = Counter((row[3], row[0]) for row in rows)
        self._counts.classes(session, {at: -count for at, count in classes.items()})
        self._lower(session, of_level, up)
        self._items.run(session, gone := self._gone(session, Level.SERIES, of_level))
        self._series_class.run(session, gone)
        self._revisions.forget(session, gone)
        self._revisions.written(session, new=(), old=set(of_level[Level.SERIES]) - set(gone))
        uids = {stored.sop_uid for stored in removed}
        self._modalities.forget(session, lost := self._gone(session, Level.STUDY, of_level))
        stale: dict[Level, set[int]] = {}
        for level in reversed(PARENTS):  # children first: they refer to their parents
            self._empty[level].run(session, self._gone(session, level, of_level))
            left = self._left[level].rows(session, of_level[level])
            stale[level] = {pk for pk, _, sources in left if _is_any_of(sources, uids)}
        self._modalities.refresh(session, set(of_level[Level.STUDY]) - set(lost))
        self._derivation.both(
            session, stale[Level.STUDY] | {up[pk][0] for pk in stale[Level.SERIES]}, stale[Level.PATIENT]
        )
        keys = {stored.key for stored in removed}
        self._discarded.enter(session, keys - set(self._discarded.referred(session, sorted(keys))))
        return removed

    def _gone(self, session: Session, level: Level, of_level: dict[Level, Counter[int]]) -> list[int]:
        return [pk for pk, left, _ in self._left[level].rows(session, of_level[level]) if not left]

    def _lower(self, session: Session, of_level: dict[Level, Counter[int]], up: dict[int, tuple[int, int]]) -> None:
        """Lower the counts; a row is empty when it has no instances."""
        counts = self._counts
        counts.series(session, [(pk, -n) for pk, n in of_level[Level.SERIES].items()])
        lost = [up[pk] for pk in self._gone(session, Level.SERIES, of_level)]
        of_study = Counter(study_pk for study_pk, _ in lost)
        counts.study(session, [(pk, -n, -of_study[pk]) for pk, n in of_level[Level.STUDY].items()])
        owner = dict(up.values())
        of_patient = Counter(patient_pk for _, patient_pk in lost)
        studies = Counter(owner[pk] for pk in self._gone(session, Level.STUDY, of_level))
        counts.patient(session, [(pk, -n, -of_patient[pk], -studies[pk]) for pk, n in of_level[Level.PATIENT].items()])


def _is_any_of(sources: str | None, uids: set[str]) -> bool:
    """Tell whether a row has an attribute of one of these instances."""
    return any(rank.sop_uid in uids for rank in ranks_from_text(sources).values())
