"""The names of columns and the limits of what is in them: plain facts, which need no SQLAlchemy.

The tables themselves are in `expressions`; a test compares both.
"""

from __future__ import annotations

from dicom_common.core import ATTRIBUTES, Level

__all__ = [
    "ABSENT_NUMBER",
    "FOLDED",
    "MAX_KEY",
    "MAX_PERSON",
    "MAX_TEXT",
    "MAX_UID",
    "PARENTS",
    "PATIENT_NAME",
    "REFERRER_NAME",
    "TABLES",
    "VARYING",
    "WORDS",
    "columns_of",
    "counts_of",
    "row_columns",
]

MAX_UID = 64
"""Characters of a UID (PS3.5 9.1)."""
MAX_TEXT = 255
"""Characters of any other text that the index keeps; more than any VR that is searched may have (PS3.5 6.2)."""
MAX_KEY = 1024
"""Bytes of a storage key."""
ABSENT_NUMBER = 2**31
"""Stands for an absent Series or Instance Number: behind every IS (PS3.5 6.2), so that it is the last in any order."""
PATIENT_NAME, REFERRER_NAME = "patient_name", "referring_physician_name"
FOLDED = {
    name: tuple(f"{name}_{group}" for group in ("alphabetic", "ideographic", "phonetic"))
    for name in (PATIENT_NAME, REFERRER_NAME)
}
"""For each name that is searched, the columns of its component groups without case."""
WORDS = {name: f"{name}_words" for name in FOLDED}
"""For each of these names, the column of its words, for fuzzy matching."""
MAX_PERSON = 3 * MAX_TEXT + 2
"""Characters of a name of three component groups."""
VARYING = (
    "sop_uid",
    "instance_creation_date",
    "instance_creation_time",
    "acquisition_date",
    "acquisition_time",
    "content_date",
    "content_time",
    "instance_number",
    "image_position_patient",
    "slice_location",
)
"""What differs from image to image, in columns behind those that are the same for many images of a series."""
TABLES = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series", Level.INSTANCE: "instance"}
"""The table of each level."""
PARENTS = (Level.PATIENT, Level.STUDY, Level.SERIES)
"""The levels whose rows are derived from instances."""
_COUNTS = {
    Level.PATIENT: ("studies", "series", "instances"),
    Level.STUDY: ("series", "instances"),
    Level.SERIES: ("instances",),
}
_KEYS = {
    Level.PATIENT: ("pk", "tenant_fk"),
    Level.STUDY: ("pk", "tenant_fk", "patient_fk"),
    Level.SERIES: ("pk", "tenant_fk", "study_fk"),
}


def columns_of(level: Level) -> list[str]:
    """Return the names of the columns that hold the attributes of a level, in order."""
    names = [attribute.field for attribute in ATTRIBUTES if attribute.level is level and attribute.field not in VARYING]
    return [*names, *VARYING] if level is Level.INSTANCE else names


def counts_of(level: Level) -> tuple[str, ...]:
    """Return the names of the columns of a parent that count what is below it."""
    return _COUNTS[level]


def row_columns(level: Level) -> tuple[str, ...]:
    """Return the names of all columns of a parent, in the order of the table."""
    names = columns_of(level)
    folded = [column for name in FOLDED if name in names for column in FOLDED[name]]
    identity = ("without_id", "without_issuer", "of_study") if level is Level.PATIENT else ()
    words = [WORDS[name] for name in WORDS if name in names]
    return (*_KEYS[level], *names, *folded, *identity, *_COUNTS[level], "sources", *words)
