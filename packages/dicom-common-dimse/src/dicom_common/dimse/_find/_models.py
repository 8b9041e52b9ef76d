"""The query/retrieve information models, their levels and their keys (PS3.4 C.6)."""

from __future__ import annotations

from typing import Final, NamedTuple

from dicom_common.core import Level
from dicom_common.dimse._identifiers import Identifier, StatusError

__all__ = [
    "FIND_MODELS",
    "GET_MODELS",
    "LEVEL",
    "MOVE_MODELS",
    "UNIQUE",
    "Model",
    "level_of",
    "refuse_lower_keys",
    "require_upper_keys",
]

LEVEL: Final = 0x00080052
_MISMATCH: Final = 0xA900
_LEVELS: Final = {
    "PATIENT": Level.PATIENT,
    "STUDY": Level.STUDY,
    "SERIES": Level.SERIES,
    "IMAGE": Level.INSTANCE,
}
UNIQUE: Final = {
    Level.PATIENT: 0x00100020,
    Level.STUDY: 0x0020000D,
    Level.SERIES: 0x0020000E,
    Level.INSTANCE: 0x00080018,
}
"""The unique key of each level."""
_NAMES: Final = {
    Level.PATIENT: "Patient ID",
    Level.STUDY: "Study Instance UID",
    Level.SERIES: "Series Instance UID",
    Level.INSTANCE: "SOP Instance UID",
}


class Model(NamedTuple):
    """An information model: its levels from the top."""

    levels: tuple[Level, ...]


_PATIENT_ROOT = Model((Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE))
_STUDY_ROOT = Model((Level.STUDY, Level.SERIES, Level.INSTANCE))
_PATIENT_STUDY_ONLY = Model((Level.PATIENT, Level.STUDY))
_ROOT = "1.2.840.10008.5.1.4.1.2"
FIND_MODELS: Final = {
    f"{_ROOT}.1.1": _PATIENT_ROOT,
    f"{_ROOT}.2.1": _STUDY_ROOT,
    f"{_ROOT}.3.1": _PATIENT_STUDY_ONLY,  # retired
}
MOVE_MODELS: Final = {f"{uid[:-1]}2": model for uid, model in FIND_MODELS.items()}
GET_MODELS: Final = {f"{uid[:-1]}3": model for uid, model in FIND_MODELS.items()}


def level_of(identifier: Identifier, model: Model) -> Level:
    """Return the level of a request (PS3.4 C.4.1.1.3.1).

    Raises:
        StatusError: A900, it names none, or one that the model does not have.
    """
    text = identifier.text(LEVEL)
    if not text:
        raise StatusError(_MISMATCH, "Query/Retrieve Level is missing.", LEVEL)
    level = _LEVELS.get(text)
    if level not in model.levels:
        raise StatusError(_MISMATCH, "The information model does not support this level.", LEVEL)
    return level


def require_upper_keys(identifier: Identifier, model: Model, level: Level) -> None:
    """Require a single value of the unique key of every level above (PS3.4 C.4.1.2.1).

    Raises:
        StatusError: A900, one is missing, is a list or has a wildcard.
    """
    for upper in model.levels:
        if upper >= level:
            return
        value = identifier.text(UNIQUE[upper])
        if not value or any(character in value for character in "*?\\"):
            raise StatusError(_MISMATCH, f"{_NAMES[upper]} needs a single value without wildcards.", UNIQUE[upper])


def refuse_lower_keys(identifier: Identifier, level: Level) -> None:
    """Refuse a value of a unique key below the level, where the hierarchy has none (PS3.4 C.4.1.2.1, C.4.2.2.1).

    Raises:
        StatusError: A900, there is one.
    """
    for lower, tag in UNIQUE.items():
        if lower > level and tag in identifier and not identifier.is_universal(tag):
            raise StatusError(_MISMATCH, "A unique key is of a lower level than the request.", tag)
