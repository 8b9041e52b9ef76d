"""What becomes of each entry of a batch: decided in memory, entry by entry, from what the index has of their like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dicom_common.core import AddStatus
from dicom_common.db.sql._ranks import OWNER, Ranks, Tops
from dicom_common.db.sql._rows import Prepared
from dicom_common.db.sql._upper import Identity

__all__ = ["Batch", "Held", "PatientRow", "SeriesRow", "StudyRow"]


@dataclass(slots=True, kw_only=True, eq=False)
class _Parent:
    """A row of `patient`, `study` or `series`, as the batch changes it."""

    tenant: int
    pk: int = 0
    """0: it is new."""
    ranks: Ranks = field(default_factory=dict)
    """Of the sources of its attributes."""
    tops: Tops = field(default_factory=Tops)
    """The entries of this batch that contend for its attributes."""
    kept: Sequence[Any] = ()
    """The attributes that the index had before, in the order of `attribute_names`."""
    made: dict[str, Any] = field(default_factory=dict)
    """The attributes that were written; nothing where they stay."""
    again: bool = False
    """A source of its attributes was replaced, or the study moves to another patient: it has to be derived again."""
    new_instances: int = 0
    new_series: int = 0
    new_studies: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class PatientRow(_Parent):
    """A patient."""

    identity: Identity


@dataclass(slots=True, kw_only=True, eq=False)
class StudyRow(_Parent):
    """A study."""

    uid: str
    patient: PatientRow
    owner: Identity | None
    """The patient of the instance that was received first, of those that the index has and those before in the batch;
    None: that instance is replaced, and the rows have to be asked."""
    owner_changes: bool = False
    """An entry of this batch was received earlier than all that the index has of it."""


@dataclass(slots=True, kw_only=True, eq=False)
class SeriesRow(_Parent):
    """A series."""

    uid: str
    study: StudyRow
    instances: int = 0
    """How many the index had before."""
    replaced: bool = False
    """One of its instances was."""
    classes: Counter[str] = field(default_factory=Counter)
    """How many instances of each SOP Class come or go."""


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """An instance that the index has, from before or from an earlier entry of the batch."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    key: str
    sha256: str
    pk: int = 0
    series: SeriesRow | None = None
    written: Prepared | None = None
    """The entry of this batch that its row comes from."""
    other_patient: bool = False


class Decision(NamedTuple):
    """What is decided of one entry; see `Outcome`."""

    status: AddStatus
    key: str
    sha256: str
    patient_differs: bool
    series_in_other_study: bool


@dataclass(slots=True, kw_only=True)
class Batch:
    """What the index knows that matters for a batch, changed by each entry as it is decided."""

    held: dict[tuple[int, str], Held] = field(default_factory=dict)
    patients: dict[tuple[int, Identity], PatientRow] = field(default_factory=dict)
    studies: dict[tuple[int, str], StudyRow] = field(default_factory=dict)
    series: dict[tuple[int, str], dict[str, SeriesRow]] = field(default_factory=dict)
    """By (tenant, Series Instance UID), then by Study Instance UID."""
    referred: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many more rows refer to a storage key than when the batch began, or at all where `referring` was asked."""
    referring: Callable[[], Iterable[str]] | None
    """Returns the storage keys that rows of the index refer to, once for each row; asked where a key may be discarded
    (until the decisions are written, it does not matter when). None: it was asked."""
    retired: set[str] = field(default_factory=set)
    to_discard: set[str] = field(default_factory=set)

    def can_decide(self, tenant: int, made: Prepared) -> bool:
        """Tell whether it is known here to which patient the study of an entry belongs."""
        study = self.studies.get((tenant, made.entry.instance.study_uid))
        return study is None or study.owner is not None

    def decide(self, tenant: int, made: Prepared) -> Decision:
        """Decide on one entry, and change what the next ones find."""
        entry, instance = made.entry, made.entry.instance
        held = self.held.get((tenant, instance.sop_uid))
        study = self.studies.get((tenant, instance.study_uid))
        differs = study is not None and study.owner != made.upper.patient
        refused: AddStatus | None = None
        if held is not None:
            refused = _compare(held, made)
        if refused is None and differs and not entry.accept_other_patient:
            refused = AddStatus.OTHER_PATIENT
        if refused is None and entry.key in self.retired:
            refused = AddStatus.RETIRED
        if refused is not None:
            status = refused
            if refused is AddStatus.SAME or not entry.keeps_key:
                self._discard(entry.key)
        elif held is None:
            status = AddStatus.ADDED
            held = self._take(tenant, made, other_patient=differs)
        else:
            status = AddStatus.REPLACED
            self._replace(held, tenant, made, other_patient=differs)
        others = self.series.get((tenant, instance.series_uid), {})
        elsewhere = len(others) > (instance.study_uid in others)
        return Decision(status, held.key if held else "", held.sha256 if held else "", differs, elsewhere)

    def counts(self) -> dict[tuple[int, str, str], int]:
        """Return how many instances each series has, when all entries have been decided."""
        return {(row.tenant, row.study.uid, row.uid): row.instances + row.new_instances for row in self.all_series()}

    def _take(self, tenant: int, made: Prepared, *, other_patient: bool) -> Held:
        instance = made.entry.instance
        series = self._series(tenant, made)
        study = series.study
        series.new_instances += 1
        study.new_instances += 1
        study.patient.new_instances += 1
        held = self.held[tenant, instance.sop_uid] = Held(
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_class_uid=made.sop_class_uid,
            key=made.entry.key,
            sha256=instance.sha256,
            series=series,
            written=made,
            other_patient=other_patient,
        )
        self._note(held, series, made)
        return held

    def _replace(self, held: Held, tenant: int, made: Prepared, *, other_patient: bool) -> None:
        series = self._series(tenant, made)
        uid = made.rank.sop_uid
        for parent in (series, series.study, series.study.patient):
            # One that came in this batch may be among those that contend.
            parent.again |= held.written is not None or any(rank.sop_uid == uid for rank in parent.ranks.values())
        series.classes[held.sop_class_uid] -= 1
        former = held.key
        self.referred[former] -= 1
        series.replaced = True
        held.series, held.written, held.other_patient = series, made, other_patient
        held.key, held.sha256, held.sop_class_uid = made.entry.key, made.entry.instance.sha256, made.sop_class_uid
        self._note(held, series, made)
        self._discard(former)

    def _note(self, held: Held, series: SeriesRow, made: Prepared) -> None:
        """Note what a row that is going to be written means to others."""
        series.classes[held.sop_class_uid] += 1
        self.referred[held.key] += 1
        rank, study = made.rank, series.study
        series.tops.note(rank, made.upper)
        first = study.ranks.get(OWNER)
        if first is None or rank[1] < first[1] or (rank[1] == first[1] and rank[2] < first[2]):
            study.ranks[OWNER], study.owner = rank, made.upper.patient
            study.owner_changes = first is not None
            study.again |= held.other_patient
        elif first.sop_uid == rank.sop_uid:  # it was the first, and is received anew
            study.owner = None

    def settle(self) -> None:
        """Let the entries contend for the attributes of studies and patients, when all have been decided."""
        for row in self.all_series():
            study = row.study
            for rank, upper in row.tops.values():
                study.tops.note(rank, upper)
                if upper.patient == study.patient.identity:  # another patient's instance says nothing of this one
                    study.patient.tops.note(rank, upper)

    def _series(self, tenant: int, made: Prepared) -> SeriesRow:
        instance = made.entry.instance
        of_uid = self.series.setdefault((tenant, instance.series_uid), {})
        series = of_uid.get(instance.study_uid)
        if series is None:
            study = self._study(tenant, made)
            series = SeriesRow(tenant=tenant, uid=instance.series_uid, study=study)
            of_uid[instance.study_uid] = series
            study.new_series += 1
            study.patient.new_series += 1
        return series

    def _study(self, tenant: int, made: Prepared) -> StudyRow:
        uid = made.entry.instance.study_uid
        study = self.studies.get((tenant, uid))
        if study is None:
            identity = made.upper.patient
            patient = self.patients.setdefault((tenant, identity), PatientRow(tenant=tenant, identity=identity))
            study = self.studies[tenant, uid] = StudyRow(tenant=tenant, uid=uid, patient=patient, owner=identity)
            patient.new_studies += 1
        return study

    def _discard(self, key: str) -> None:
        if self.referring is not None:
            for known in self.referring():
                self.referred[known] += 1
            self.referring = None
        if self.referred[key] == 0:
            self.retired.add(key)
            self.to_discard.add(key)

    def again(self) -> tuple[set[int], set[int]]:
        """Return the surrogate keys of the studies and patients that are to be derived again."""
        of_series = {row.study.pk for row in self.all_series() if row.again}
        return (
            of_series | {row.pk for row in self.studies.values() if row.again},
            {row.pk for row in self.patients.values() if row.again},
        )

    def all_series(self) -> Iterable[SeriesRow]:
        """Return all series that are known."""
        return (series for of_uid in self.series.values() for series in of_uid.values())


def _compare(held: Held, made: Prepared) -> AddStatus | None:
    """Judge an entry by the instance that the index has under its UID; None: it may take that one's place."""
    instance = made.entry.instance
    if (held.study_uid, held.series_uid) != (instance.study_uid, instance.series_uid):
        return AddStatus.MISPLACED
    if held.sha256 == instance.sha256:
        return AddStatus.SAME
    return None if made.entry.replace else AddStatus.CONFLICT
