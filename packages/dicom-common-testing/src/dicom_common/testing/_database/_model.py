"""An index in a page of plain Python: what the rows must be, from the instances that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

from dicom_common.core import ATTRIBUTES, AddStatus, Entry, Instance, Level, PersonName, Value

__all__ = ["Model", "in_any_order"]

_CLOCKS = ("instance_creation", "content", "acquisition", "series", "study")
_NEVER = datetime.min.replace(tzinfo=UTC)
_NO_VALUE = (None, "", (), PersonName())
"""What is no value. A zero is one, and so is midnight."""


class Model:
    """The instances of one tenant. Entries may belong to another patient than their study."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> tuple[AddStatus, bool]:
        """Take an entry as `Database.add` does; return its status, and whether its study had another patient."""
        uid, instance = entry.instance.sop_uid, entry.instance
        held = self.entries.get(uid)
        study = [one for one in self.entries.values() if one.instance.study_uid == instance.study_uid]
        differs = bool(study) and _owner(study) != _patient(instance)
        if held is not None and held.instance.sha256 == instance.sha256:
            return AddStatus.SAME, differs
        if held is not None and not entry.replace:
            return AddStatus.CONFLICT, differs
        self.entries[uid] = entry
        return AddStatus.ADDED if held is None else AddStatus.REPLACED, differs

    def remove(self, study_uid: str, series_uid: str | None, sop_uid: str | None) -> None:
        """Take instances out."""
        self.entries = {
            uid: one
            for uid, one in self.entries.items()
            if one.instance.study_uid != study_uid
            or (series_uid is not None and one.instance.series_uid != series_uid)
            or (sop_uid is not None and uid != sop_uid)
        }

    def rows(self, level: Level) -> list[dict[str, Value]]:
        """Return what a search for everything finds, in no order."""
        owners = {uid: _owner(study) for uid, study in self._by(lambda one: one.study_uid).items()}
        found = []
        for patient, of_patient in self._by(lambda one: owners[one.study_uid]).items():
            own = [one for one in of_patient if _patient(one.instance) == patient]
            top = {"PatientID": patient[0], "IssuerOfPatientID": patient[1] or None} | _attributes(Level.PATIENT, own)
            top |= _counts("Patient", of_patient, "Studies", "Series", "Instances")
            if level is Level.PATIENT:
                found.append(top)
                continue
            for study_uid, of_study in _by(of_patient, lambda one: one.study_uid).items():
                all_series = {
                    uid: {"SeriesInstanceUID": uid}
                    | _attributes(Level.SERIES, some)
                    | _counts("Series", some, "Instances")
                    for uid, some in _by(of_study, lambda one: one.series_uid).items()
                }
                study = top | {"StudyInstanceUID": study_uid} | _attributes(Level.STUDY, of_study)
                study |= _counts("Study", of_study, "Series", "Instances")
                study["ModalitiesInStudy"] = _sorted(row["Modality"] for row in all_series.values())
                study["SOPClassesInStudy"] = _sorted(one.instance.sop_class_uid for one in of_study)
                if level is Level.STUDY:
                    found.append(study)
                elif level is Level.SERIES:
                    found += [study | row for row in all_series.values()]
                else:
                    found += [study | all_series[one.instance.series_uid] | _own(one.instance) for one in of_study]
        return found

    def _by(self, key: Callable[[Instance], Any]) -> dict[Any, list[Entry]]:
        return _by(self.entries.values(), key)


def in_any_order(rows: Iterable[Any]) -> list[Any]:
    """Sort rows, for comparing."""
    return sorted((sorted(row.items()) for row in rows), key=str)


def _by(entries: Iterable[Entry], key: Callable[[Instance], Any]) -> dict[Any, list[Entry]]:
    groups: dict[Any, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(key(entry.instance), []).append(entry)
    return groups


def _patient(instance: Instance) -> tuple[str, str, str]:
    return (
        instance.patient_id,
        instance.issuer_of_patient_id or "",
        "" if instance.patient_id else instance.study_uid,
    )


def _owner(study: Iterable[Entry]) -> tuple[str, str, str]:
    return _patient(min(study, key=lambda one: (one.received, one.instance.sop_uid)).instance)


def _rank(entry: Entry) -> tuple[datetime, datetime, str]:
    instance, clinical = entry.instance, _NEVER
    for name in _CLOCKS:
        day, clock = getattr(instance, f"{name}_date"), getattr(instance, f"{name}_time")
        if day is not None:
            moment = datetime.combine(day, clock or time(0), UTC)
            if moment <= entry.received + timedelta(days=1):
                clinical = moment
                break
    return clinical, entry.received, instance.sop_uid


def _attributes(level: Level, entries: Iterable[Entry]) -> dict[str, Value]:
    ranked = sorted(entries, key=_rank, reverse=True)
    made: dict[str, Value] = {}
    for attribute in ATTRIBUTES:
        if attribute.level is level and attribute.vr != "UI" and "patient_id" not in attribute.field:
            values = (getattr(one.instance, attribute.field) for one in ranked)
            made[attribute.keyword] = next(
                (v for v in values if v not in _NO_VALUE), () if attribute.multiple else None
            )
    return made


def _own(instance: Instance) -> dict[str, Value]:
    return {a.keyword: getattr(instance, a.field) for a in ATTRIBUTES if a.level is Level.INSTANCE}


def _counts(of: str, entries: list[Entry], *what: str) -> dict[str, int]:
    uids = {"Studies": "study_uid", "Instances": "sop_uid"}
    return {
        f"NumberOf{of}Related{name}": len(
            {(one.instance.study_uid, getattr(one.instance, uids.get(name, "series_uid"))) for one in entries}
        )
        for name in what
    }


def _sorted(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values if value is not None}))
