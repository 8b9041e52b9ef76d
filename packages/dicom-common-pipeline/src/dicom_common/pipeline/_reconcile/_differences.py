"""What a reconciliation finds, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Action", "Difference", "DifferenceKind", "Phase", "Progress"]


class DifferenceKind(StrEnum):
    """What is wrong with a key."""

    ORPHAN = "orphan"
    """An object that can be indexed and is not: what a crash between write and commit leaves."""
    STRAY = "stray"
    """An object whose SOP Instance UID is indexed with another object."""
    UNREADABLE = "unreadable"
    """An object that is not a DICOM instance. Never touched."""
    MISSING = "missing"
    """A row whose object is not there. Never repaired: restore the object, send the instance again, or remove it."""
    DAMAGED = "damaged"
    """An object whose bytes are not those that were indexed. Never repaired: restore it, or send the instance again."""
    DERIVED = "derived"
    """Rows of a study, or of a patient, that are not what its instances say."""


class Action(StrEnum):
    """What was done about a difference."""

    INDEXED = "indexed"
    DISCARDED = "discarded"
    REPAIRED = "repaired"
    NONE = "none"


class Phase(StrEnum):
    """What a reconciliation is doing, in this order."""

    COMPARE = "compare"
    INDEX = "index"
    DERIVE = "derive"
    FRAMES = "frames"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between storage and index, and what was done about it."""

    kind: DifferenceKind
    key: str
    action: Action
    detail: str = ""


@dataclass(slots=True)
class Progress:
    """How far a reconciliation is."""

    phase: Phase = Phase.COMPARE
    compared: int = 0
    """Keys that storage or index have."""
    bytes_verified: int = 0
    to_index: int = 0
    """Orphans that are to be read."""
    indexed: int = 0
    wrong_rows: int = 0
    """Rows of patients, studies and series that were not what their instances say."""
    frames_found: int = 0
    """Instances of whose frames the index kept nothing, and does now."""
    differences: dict[DifferenceKind, int] = field(default_factory=dict)
