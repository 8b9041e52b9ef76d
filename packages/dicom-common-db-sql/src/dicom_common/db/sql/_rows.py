"""From entries to what the tables take: everything that can be made before the transaction begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from dicom_common.core import ATTRIBUTES, Entry, Instance, Level, PersonName
from dicom_common.db.sql._columns import ABSENT_NUMBER, FOLDED, PARENTS, VARYING, WORDS, columns_of, counts_of
from dicom_common.db.sql._ranks import Rank, clinical_time
from dicom_common.db.sql._upper import Identity, Upper
from dicom_common.db.sql._values import clean, fold, from_column, micros, to_column, words

__all__ = [
    "IDENTITY",
    "Prepared",
    "attribute_names",
    "changing_columns",
    "derived_columns",
    "instance_row",
    "parent_values",
    "patient_columns",
    "prepare",
    "upper_from_blob",
]

IDENTITY: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: ("patient_id", "issuer_of_patient_id", "without_id", "without_issuer", "of_study"),
    Level.STUDY: ("study_uid",),
    Level.SERIES: ("series_uid",),
}
"""Columns that say which patient, study or series a row is: they never change."""

_CONVERTED = 128
"""Series for which converted values are kept. The instances of a series mostly agree in all but the position and the
time of the image: what they agree in is converted once, also where they come one by one. Without this, converting takes
longer than SQLite takes to write."""
_UPPER = tuple(a for a in ATTRIBUTES if a.level in PARENTS)
_upper_of: Callable[[Instance], tuple[Any, ...]] = attrgetter(*(a.field for a in _UPPER))
_STEADY = tuple(name for name in columns_of(Level.INSTANCE) if name not in VARYING)
_SOP_CLASS = _STEADY.index("sop_class_uid")
_varying_of: Callable[[Instance], tuple[Any, ...]] = attrgetter(*VARYING)
_steady_of: Callable[[Instance], tuple[Any, ...]] = attrgetter(*_STEADY)
# A UID that identifies is kept as it is: it was validated, and two of them must never become one.
_KEPT = ("study_uid", "series_uid", "sop_uid")
_BY_FIELD = {a.field: a for a in ATTRIBUTES}
_UPPER_CONVERT = tuple(None if a.field in _KEPT else to_column(a) for a in _UPPER)
_STEADY_CONVERT = tuple(to_column(_BY_FIELD[field]) for field in _STEADY)
_day, _clock, _count = (to_column(_BY_FIELD[f]) for f in ("content_date", "content_time", "instance_number"))
_position, _location = (to_column(_BY_FIELD[f]) for f in ("image_position_patient", "slice_location"))
_PERSON = {a.field: from_column(a) for a in _UPPER if a.field in FOLDED}
_COLUMNS = {level: columns_of(level) for level in PARENTS}
_ABSENT = {
    a.field: convert(() if a.multiple else None) if convert else None
    for a, convert in zip(_UPPER, _UPPER_CONVERT, strict=True)
}


_OWN = {level: tuple(name for name in names if name not in IDENTITY[level]) for level, names in _COLUMNS.items()}
"""What a parent has from the instances below it, attribute by attribute."""


class Prepared(NamedTuple):
    """One entry, ready to be written."""

    entry: Entry
    upper: Upper
    steady: tuple[Any, ...]
    varying: tuple[Any, ...]
    rank: Rank
    sop_class_uid: str
    """Its SOP Class UID, as the index keeps it."""


def prepare(entries: Sequence[Entry]) -> list[Prepared]:
    """Make what the tables take of a batch."""
    prepared = []
    for entry in entries:
        instance = entry.instance
        upper = _upper(_upper_of(instance))
        steady = _steady(_steady_of(instance))
        uid, day, clock, *dates, number, position, location = _varying_of(instance)
        creation_date, creation_time = _day(day), _clock(clock)
        varying = (
            uid,
            creation_date,
            creation_time,
            _day(dates[0]),
            _clock(dates[1]),
            _day(dates[2]),
            _clock(dates[3]),
            _count(number),
            _position(position),
            _location(location),
        )
        received = micros(entry.received)
        own = (creation_date, creation_time, varying[5], varying[6], varying[3], varying[4])
        rank = Rank(clinical_time((*own, *upper.dates), received), received, uid)
        prepared.append(Prepared(entry, upper, steady, varying, rank, steady[_SOP_CLASS]))
    return prepared


@lru_cache(_CONVERTED)
def _steady(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([convert(value) for convert, value in zip(_STEADY_CONVERT, values, strict=True)])


@lru_cache(_CONVERTED)
def _upper(values: tuple[Any, ...]) -> Upper:
    columns = {
        attribute.field: convert(value) if convert else value
        for attribute, convert, value in zip(_UPPER, _UPPER_CONVERT, values, strict=True)
    }
    present = {field: value for field, value in columns.items() if value is not None}
    return _made(columns, json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode())


def upper_from_blob(blob: bytes) -> Upper:
    """Read what was kept; an attribute that was not indexed yet when it was written is absent."""
    return _made(_ABSENT | json.loads(blob), blob)


def _made(columns: Mapping[str, Any], blob: bytes) -> Upper:
    patient_id = columns["patient_id"]
    patient = (patient_id, columns["issuer_of_patient_id"], "" if patient_id else columns["study_uid"])
    present = {level: tuple([n for n in names if columns[n] not in _NOTHING[n]]) for level, names in _OWN.items()}
    own = {level: tuple([columns[name] for name in names]) for level, names in _OWN.items()}
    return Upper(columns, blob, patient, present, own, tuple([columns[name] for name in _DATES]))


_DATES = ("series_date", "series_time", "study_date", "study_time")
_NOTHING: dict[str, tuple[Any, ...]] = {
    name: (None, {"study_date": 0, "series_number": ABSENT_NUMBER}.get(name))
    for names in _OWN.values()
    for name in names
}
"""What stands for an absent value."""


def attribute_names(level: Level) -> tuple[str, ...]:
    """Return the attributes of a parent that its instances contend for, as columns; see `_ranks.py`."""
    return _OWN[level]


def parent_values(level: Level, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attribute columns of a parent's row but those of its identity; what `values` lacks is absent.

    The folded names are among them.
    """
    made = {name: values.get(name, _ABSENT[name]) for name in _OWN[level]}
    for name in FOLDED:
        if name in made:
            made |= _folded(name, made[name])
    return made


def changing_columns(level: Level) -> list[str]:
    """Return the names of the columns that `parent_values` makes."""
    return [*parent_values(level, {})]


def derived_columns(level: Level) -> tuple[str, ...]:
    """Return the names of the columns of a parent's row that follow from its instances."""
    return ("sources", *counts_of(level), *changing_columns(level))


def patient_columns(identity: Identity) -> dict[str, Any]:
    """Return the columns that say which patient a row is."""
    patient_id, issuer, of_study = identity
    values = (patient_id, issuer, int(not patient_id), int(not issuer), of_study)
    return dict(zip(IDENTITY[Level.PATIENT], values, strict=True))


def _folded(name: str, text: str | None) -> dict[str, str | None]:
    convert = _PERSON[name]
    person = convert(text) if convert and text else PersonName()
    groups = person if isinstance(person, PersonName) else PersonName()
    folded = {column: fold(group) or None for column, group in zip(FOLDED[name], groups, strict=True)}
    return folded | {WORDS[name]: words(text) if text else None}


def instance_row(pk: int, tenant: int, series: int, made: Prepared, *, other_patient: bool) -> tuple[Any, ...]:
    """Return the row of an instance, in the order of the table's columns."""
    entry = made.entry
    instance = entry.instance
    return (
        pk, tenant, series, *made.steady, *made.varying, clean(instance.transfer_syntax_uid, 64), entry.key,
        instance.size, instance.sha256, made.rank.received, int(other_patient),
    )  # fmt: skip
