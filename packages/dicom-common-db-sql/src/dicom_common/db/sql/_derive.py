"""Deriving the rows of a study and of a patient anew from the instances that they have now, all at once.

Adding changes rows by what comes; this is for what cannot be known from that: the source of an attribute is gone, a
study moves to another patient, or rows are to be compared with what they should be. Counts are counted.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dicom_common.core import Level
from dicom_common.db.sql._columns import PARENTS, TABLES, counts_of, row_columns
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._modalities import Modalities
from dicom_common.db.sql._ranks import OWNER, Rank, Ranks, Tops, clinical_time, merge, ranks_text
from dicom_common.db.sql._revisions import RevisionWrites
from dicom_common.db.sql._rows import derived_columns, parent_values, patient_columns, upper_from_blob
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._upper import Identity, Upper

__all__ = ["Derivation"]


class Derivation:
    """The statements that derive rows, for one database product. Who writes with them has the exclusive guard."""

    def __init__(self, dialect: SqlDialect) -> None:
        self.modalities, self.revisions, self._allocate = Modalities(dialect), RevisionWrites(dialect), dialect.allocate

        self._below, self._studies = Statement(dialect, "derive.below"), Statement(dialect, "derive.studies")
        self._study, self._series = Statement(dialect, "derive.study"), Statement(dialect, "derive.series")
        self._patient, self._identity = Statement(dialect, "derive.patient"), Statement(dialect, "derive.identity")
        self._named, self._revised = Statement(dialect, "derive.named"), Lookup(dialect, "derive.revised")
        self._classes = Lookup(dialect, "derive.of_series", "series_class")
        self._items = Lookup(dialect, "derive.of_series", "request_item")
        of_series = dict.fromkeys(("series_class", "request_item"), "series_fk")
        keys = of_series | {TABLES[level]: "pk" for level in PARENTS}
        self._forget = {table: Lookup(dialect, "derive.forget", table, key) for table, key in keys.items()}
        self._insert = {table: dialect.inserter(table) for table in (*of_series, "patient")}
        self._update = {level: dialect.updater(TABLES[level], derived_columns(level)) for level in PARENTS}
        self._move = dialect.updater("study", ["patient_fk"])
        self._flag = dialect.updater("instance", ["other_patient"])

    def study(
        self, session: Session, pk: int, *, write: bool, known: dict[int, Tops] | None = None
    ) -> tuple[int, set[int]]:
        """Derive a study and its series.

        Args:
            session: where; to write, with the exclusive guard.
            pk: the study.
            write: write the rows that are not as they should be; else only count them.
            known: where to keep what its instances say, for `patient`.

        Returns:
            How many rows were not as they should be, and the patients that it belonged and belongs to: they are to be
            derived then.
        """
        found = self._study.rows(session, {"at": pk})
        if not found:
            return 0, set()
        tenant, owner, *kept = found[0]
        below = _Below(self._below.rows(session, {"at": pk}))
        if known is not None:
            known[pk] = below.tops
        all_series = {row[0]: row[1:] for row in self._series.rows(session, {"at": pk})}
        wrong = self._of_series(session, tenant, all_series, below, write=write)
        if not below.ranks:
            if write:
                self.modalities.forget(session, [pk])
                self._forget["study"].run(session, [pk])
            return wrong + 1, {owner}
        ranks: Ranks = {OWNER: below.first}
        made = _derived(Level.STUDY, below.tops, ranks, (len(below.of_series), len(below.ranks)))
        if made != kept:
            wrong += 1
            if write:
                self._update[Level.STUDY](session, [(pk, *made)])
        moved, owners = self._owner(session, pk, tenant, owner, below, write=write)
        # Behind the rows of the series and the study, which it follows.
        wrong += moved + self.modalities.refresh(session, [pk], write=write)
        return wrong, owners

    def patient(self, session: Session, pk: int, *, write: bool, known: Mapping[int, Tops] | None = None) -> int:
        """Derive a patient from the instances of its studies that name it; one that has no study goes.

        What the instances of some of the studies say may be known already.
        """
        found = self._patient.rows(session, {"at": pk})
        if not found:
            return 0
        studies = self._studies.rows(session, {"at": pk})
        if not studies:
            if write:
                self._forget["patient"].run(session, [pk])
            return 1
        identity = tuple(self._identity.rows(session, {"at": pk})[0])
        tops = Tops()
        for study_pk, *_ in studies:  # one at a time: a patient may have more instances than fit into memory
            of_study = (known or {}).get(study_pk)
            if of_study is None:
                of_study = _Below(self._below.rows(session, {"at": study_pk})).tops
            for rank, upper in of_study.values():
                if upper.patient == identity:  # another patient's instance says nothing of this one
                    tops.note(rank, upper)
        counts = (len(studies), sum(row[1] for row in studies), sum(row[2] for row in studies))
        made = _derived(Level.PATIENT, tops, {}, counts)
        if made == list(found[0]):
            return 0
        if write:
            self._update[Level.PATIENT](session, [(pk, *made)])
        return 1

    def both(self, session: Session, studies: Iterable[int], patients: Iterable[int]) -> None:
        """Derive studies and patients, and the patients that the studies belonged or belong to where they moved."""
        owners = set(patients)
        known: dict[int, Tops] = {}
        for pk in sorted(studies):
            _, concerned = self.study(session, pk, write=True, known=known)
            owners |= concerned if len(concerned) > 1 else set()
        for pk in sorted(owners):
            self.patient(session, pk, write=True, known=known)

    def request_items(self, session: Session, tenant: int, texts: Mapping[int, str | None], *, new: bool) -> None:
        """Write what is searched of the Request Attributes Sequence of series; `new` ones have nothing yet."""
        if not new:
            self._forget["request_item"].run(session, sorted(texts))
        self._insert["request_item"](session, [row for pk in sorted(texts) for row in _items(pk, tenant, texts[pk])])

    def _of_series(
        self, session: Session, tenant: int, kept: Mapping[int, Sequence[Any]], below: _Below, *, write: bool
    ) -> int:
        gone = sorted(kept.keys() - below.of_series.keys())
        made, texts = {}, {}
        for pk, tops in below.of_series.items():
            ranks: Ranks = {}
            count = sum(n for (at, _), n in below.classes.items() if at == pk)
            made[pk] = _derived(Level.SERIES, tops, ranks, (count,))
            texts[pk] = made[pk][derived_columns(Level.SERIES).index("request_attributes")]
        stale = [(pk, *row) for pk, row in sorted(made.items()) if row != list(kept.get(pk, ()))]
        classes = {(pk, uid, n) for (pk, uid), n in below.classes.items()}
        wrong_classes = _differing(classes, self._classes.rows(session, sorted(kept)))
        items = {row for pk, text in texts.items() for row in _items(pk, tenant, text)}
        wrong_items = _differing(items, self._items.rows(session, sorted(kept)))
        unrevised = made.keys() - {row[0] for row in self._revised.rows(session, sorted(made))}
        if write:
            self._forget["request_item"].run(session, sorted(wrong_items | set(gone)))
            self._insert["request_item"](session, sorted(row for row in items if row[0] in wrong_items))
            self._forget["series_class"].run(session, sorted(wrong_classes | set(gone)))
            self._insert["series_class"](session, sorted(row for row in classes if row[0] in wrong_classes))
            self._update[Level.SERIES](session, stale)
            self.revisions.written(session, new=unrevised, old=())
            self.revisions.forget(session, gone)
            self._forget["series"].run(session, gone)
        return len(gone) + len({row[0] for row in stale} | ((wrong_classes | wrong_items | unrevised) - set(gone)))

    def _owner(  # noqa: PLR0913 - a part of `study`
        self, session: Session, pk: int, tenant: int, owner: int, below: _Below, *, write: bool
    ) -> tuple[int, set[int]]:
        """Let a study belong to the patient of the instance that was received first, and mark those of others."""
        found = self._identity.rows(session, {"at": owner})
        identity = below.owner.patient
        flags = [(at, int(upper.patient != identity)) for at, _, upper in below.ranks]
        wrong = [new for new, (_, flag, _) in zip(flags, below.ranks, strict=True) if new[1] != flag]
        moves = not found or tuple(found[0]) != identity
        owners = {owner}
        if write:
            if moves:
                owners.add(target := self._patient_of(session, tenant, identity))
                self._move(session, [(pk, target)])
            self._flag(session, wrong)
        return len(wrong) + moves, owners

    def _patient_of(self, session: Session, tenant: int, identity: Identity) -> int:
        """Return the row of a patient; a new one has nothing in it yet."""
        patient_id, issuer, of_study = identity
        found = self._named.rows(
            session, {"tenant": tenant, "patient_id": patient_id, "issuer": issuer, "of_study": of_study}
        )
        if found:
            return int(found[0][0])
        (pk,) = self._allocate(session, "patient", 1)
        row = {
            "pk": pk, "tenant_fk": tenant, "sources": None, **dict.fromkeys(counts_of(Level.PATIENT), 0),
            **patient_columns(identity), **parent_values(Level.PATIENT, {}),
        }  # fmt: skip
        self._insert["patient"](session, [tuple([row[name] for name in row_columns(Level.PATIENT)])])
        return pk


class _Below:
    """The instances of a study, reduced to what decides."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self.tops = Tops()
        self.of_series: dict[int, Tops] = defaultdict(Tops)
        self.classes: Counter[tuple[int, str]] = Counter()
        self.ranks: list[tuple[int, int, Upper]] = []
        """The surrogate key of each instance, whether it is marked as another patient's, and what it says."""
        known: dict[bytes, Upper] = {}
        first: tuple[tuple[int, str], Rank, Upper] | None = None
        for pk, series_pk, sop_class, other_patient, received, uid, *dates, kept in rows:
            blob = bytes(kept)
            upper = known.get(blob)
            if upper is None:
                upper = known[blob] = upper_from_blob(blob)
            rank = Rank(clinical_time((*dates, *upper.dates), received), received, uid)
            self.of_series[series_pk].note(rank, upper)
            self.classes[series_pk, sop_class] += 1
            self.ranks.append((pk, other_patient, upper))
            if first is None or (received, uid) < first[0]:
                first = (received, uid), rank, upper
        for tops in self.of_series.values():
            for rank, upper in tops.values():
                self.tops.note(rank, upper)
        if first is not None:
            _, self.first, self.owner = first


def _derived(level: Level, tops: Tops, ranks: Ranks, counts: Sequence[int]) -> list[Any]:
    """Return the values of `derived_columns`."""
    values = parent_values(level, merge(level, ranks, tops))
    return [ranks_text(ranks), *counts, *values.values()]


def _items(pk: int, tenant: int, text: str | None) -> list[tuple[Any, ...]]:
    items = json.loads(text) if text else ()
    return [(pk, position, tenant, step, procedure) for position, (step, procedure) in enumerate(items)]


def _differing(made: Iterable[tuple[Any, ...]], kept: Iterable[Sequence[Any]]) -> set[int]:
    """Return the series whose rows in another table are not as they should be."""
    return {row[0] for row in set(made) ^ {tuple(row) for row in kept}}
