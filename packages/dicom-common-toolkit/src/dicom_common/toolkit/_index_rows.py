"""What the rows of an index are, from the instances that it has now: `Database.add` has the rules in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from dicom_common.core import ATTRIBUTES, Entry, Instance, Level, PersonName, Value

__all__ = ["IndexRow", "Patient", "derive_rows", "owner_of", "patient_of", "rank_of", "rows_at"]

T = TypeVar("T")
_CLOCKS = ("instance_creation", "content", "acquisition", "series", "study")
_NEVER = datetime.min.replace(tzinfo=UTC)
_AHEAD = timedelta(days=1)
"""By which a clinical time may be later than the receipt: it may be the time zone."""
_NO_VALUE = (None, "", (), PersonName())
_OF_IDENTITY = ("patient_id", "issuer_of_patient_id")
_DERIVED = {
    level: [
        each
        for each in ATTRIBUTES
        if each.level is level and each.vr != "UI" and each.field not in _OF_IDENTITY and level is not Level.INSTANCE
    ]
    for level in Level
}
_OWN = [each for each in ATTRIBUTES if each.level is Level.INSTANCE]


class Patient(NamedTuple):
    """Who a patient is. Without a Patient ID each study has a patient of its own."""

    patient_id: str
    issuer: str
    study_uid: str
    """Of the study whose patient has no Patient ID; else empty."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A row of the index, with the rows above and below it."""

    level: Level
    values: dict[str, Value]
    """Those of its level and of the levels above: what `Database.find` answers."""
    entries: Sequence[Entry]
    """The instances below."""
    children: list[IndexRow]
    above: tuple[IndexRow, ...]
    """From the patient down."""

    def at(self, level: Level) -> Iterator[IndexRow]:
        """Iterate over the row of a level above, this row itself, or all rows of a level below."""
        if level < self.level:
            yield self.above[level]
        elif level is self.level:
            yield self
        else:
            for child in self.children:
                yield from child.at(level)


def patient_of(instance: Instance) -> Patient:
    """Return the patient that an instance names."""
    issuer = instance.issuer_of_patient_id or ""
    return Patient(instance.patient_id, issuer, "" if instance.patient_id else instance.study_uid)


def owner_of(study: Iterable[Entry]) -> Patient:
    """Return the patient that a study belongs to: that of the instance which was received first."""
    return patient_of(min(study, key=lambda entry: (entry.received, entry.instance.sop_uid)).instance)


def rank_of(entry: Entry) -> tuple[datetime, datetime, str]:
    """Return the rank of an instance among those that an attribute may come from: the greatest wins."""
    instance, clinical = entry.instance, _NEVER
    for name in _CLOCKS:
        day: date | None = getattr(instance, f"{name}_date")
        clock: time | None = getattr(instance, f"{name}_time")
        if day is not None:
            moment = datetime.combine(day, (clock or time()).replace(tzinfo=UTC))
            if moment <= entry.received + _AHEAD:  # a clinical time may be the first or the last that there is
                clinical = moment
                break
    return clinical, entry.received, instance.sop_uid


def derive_rows(entries: Iterable[Entry]) -> list[IndexRow]:
    """Derive the rows of a tenant, from all instances that it has: patients, with the rows below them.

    Children are in the order of `Database.find`, and so are the patients. `rows_at` has the rows of another level.
    """
    studies = _by(entries, attrgetter("instance.study_uid"))
    patients: dict[Patient, list[Entry]] = {}
    for study in studies.values():
        patients.setdefault(owner_of(study), []).extend(study)
    made = [_patient(patient, patients[patient]) for patient in sorted(patients, key=_patient_order)]
    for row in made:
        row.children.sort(key=_study_order)
    return made


def rows_at(patients: Iterable[IndexRow], level: Level) -> list[IndexRow]:
    """Return the rows of a level in the order of `Database.find`."""
    if level is Level.PATIENT:
        return list(patients)
    studies = sorted((study for patient in patients for study in patient.children), key=_study_order)
    return [row for study in studies for row in study.at(level)]


def _patient(patient: Patient, entries: list[Entry]) -> IndexRow:
    # An instance that names another patient than its study's says nothing of the patient.
    own = [entry for entry in entries if patient_of(entry.instance) == patient]
    values: dict[str, Value] = {"PatientID": patient.patient_id, "IssuerOfPatientID": patient.issuer or None}
    values |= _attributes(Level.PATIENT, own) | _counts("Patient", entries, "Studies", "Series", "Instances")
    row = IndexRow(Level.PATIENT, _ordered(values), entries, [], ())
    row.children.extend(_study(row, uid, some) for uid, some in _by(entries, attrgetter("instance.study_uid")).items())
    return row


def _study(above: IndexRow, uid: str, entries: list[Entry]) -> IndexRow:
    of_series = _by(entries, attrgetter("instance.series_uid"))
    attributes = {series: _attributes(Level.SERIES, some) for series, some in of_series.items()}
    values = above.values | {"StudyInstanceUID": uid} | _attributes(Level.STUDY, entries)
    values |= _counts("Study", entries, "Series", "Instances")
    values["ModalitiesInStudy"] = _sorted(each["Modality"] for each in attributes.values())
    values["SOPClassesInStudy"] = _sorted(entry.instance.sop_class_uid for entry in entries)
    row = IndexRow(Level.STUDY, values, entries, [], (above,))
    for series, some in of_series.items():
        own = values | {"SeriesInstanceUID": series} | attributes[series] | _counts("Series", some, "Instances")
        row.children.append(_series(row, own, some))
    row.children.sort(key=lambda child: _number_order(child, "SeriesNumber", "SeriesInstanceUID"))
    return row


def _series(above: IndexRow, values: dict[str, Value], entries: list[Entry]) -> IndexRow:
    row = IndexRow(Level.SERIES, values, entries, [], (*above.above, above))
    for entry in entries:
        own = {each.keyword: getattr(entry.instance, each.field) for each in _OWN}
        row.children.append(IndexRow(Level.INSTANCE, values | own, [entry], [], (*row.above, row)))
    row.children.sort(key=lambda child: _number_order(child, "InstanceNumber", "SOPInstanceUID"))
    return row


def _by(entries: Iterable[Entry], key: Callable[[Entry], str]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return groups


def _attributes(level: Level, entries: Sequence[Entry]) -> dict[str, Value]:
    ranked = sorted(entries, key=rank_of, reverse=True)
    made: dict[str, Value] = {}
    for attribute in _DERIVED[level]:
        values = (getattr(entry.instance, attribute.field) for entry in ranked)
        made[attribute.keyword] = next(
            (value for value in values if value not in _NO_VALUE), () if attribute.multiple else None
        )
    return made


def _counts(of: str, entries: Sequence[Entry], *what: str) -> dict[str, Value]:
    below: dict[str, Callable[[Instance], Any]] = {
        "Studies": lambda one: one.study_uid,
        "Series": lambda one: (one.study_uid, one.series_uid),
        "Instances": lambda one: one.sop_uid,
    }
    return {f"NumberOf{of}Related{name}": len({below[name](entry.instance) for entry in entries}) for name in what}


def _ordered(values: dict[str, Value]) -> dict[str, Value]:
    return {"PatientName": values.get("PatientName")} | values


def _sorted(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values if value is not None}))


def _patient_order(patient: Patient) -> tuple[bool, str, bool, str, str]:
    return not patient.patient_id, patient.patient_id, not patient.issuer, patient.issuer, patient.study_uid


def _study_order(row: IndexRow) -> tuple[bool, int, str]:
    day = row.values["StudyDate"]
    return day is None, -day.toordinal() if isinstance(day, date) else 0, str(row.values["StudyInstanceUID"])


def _number_order(row: IndexRow, number: str, uid: str) -> tuple[bool, Any, str]:
    value = row.values[number]
    return value is None, 0 if value is None else value, str(row.values[uid])
