"""Which condition of a search leads: the one whose index rows are looked up by."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dicom_common.core import Level
from dicom_common.db.sql._shapes import MODALITIES, REQUEST_KEYS, Shape, searched

__all__ = ["SELECTIVE", "leading", "levels_of", "of_study"]

_COMMON = ("Modality", "SOPClassUID", "SeriesNumber", "InstanceNumber")
"""Keys with an index whose values many rows share."""
_LEADING = (
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "AccessionNumber",
    *REQUEST_KEYS,
    "StudyID",
    "PatientName",
    "ReferringPhysicianName",
    "PerformedProcedureStepStartDate",
    MODALITIES,
    "StudyDate",
    "StudyTime",
    *_COMMON,
)
"""Keys with an index, those whose values the fewest rows share first."""
SELECTIVE = frozenset(_LEADING) - frozenset(_COMMON) - {MODALITIES}
"""Keys whose matches on a lower level are looked up first. For all others (a modality, an instance number) each
candidate is asked in the order of the answer, until the page is full."""
_ORDERED = ("StudyDate", "StudyTime")


def of_study(shape: Shape, level: Level) -> bool:
    """Tell whether a condition is about the modalities of a study that is joined."""
    if shape.kind == "absent":
        return False  # that a series has none is not to be seen there
    return (shape.keywords[0] == MODALITIES and level >= Level.STUDY) or (
        shape.keywords[0] == "Modality" and level is Level.STUDY
    )


def _leads_by_modality(shape: Shape, level: Level, *, whole: bool) -> bool:
    """Tell whether studies can be met in their order by the index of one modality.

    Not of several: a study that has two of them would be met twice.
    """
    one = shape.kind == "in" and shape.form == (1,) and level >= Level.STUDY  # patients are above the studies
    # A whole answer of series is looked up by the index on the series themselves.
    return one and (of_study(shape, level) or (shape.keywords[0] == "Modality" and not whole))


def leading(
    shapes: Sequence[Shape], level: Level, *, whole: bool, common: Collection[int] = ()
) -> tuple[int | None, bool]:
    """Choose the condition that rows are looked up by, and tell whether that is by the modalities of studies.

    None: rows are met in the order of the answer.

    SQLite has no statistics unless somebody runs ANALYZE, and then takes the tenant, which all rows share, for a good
    beginning. So the choice is made here: the key whose values the fewest rows share. Where the whole answer is asked
    for, and not its first page, also a key that many share. Conditions that are known to be
    `common` are passed over.
    """
    found = []
    for number, shape in enumerate(shapes):
        by_modality = _leads_by_modality(shape, level, whole=whole)
        keyword = MODALITIES if by_modality else shape.keywords[0]
        is_index = keyword in _LEADING and by_modality >= (keyword == MODALITIES) and _has_index(shape)
        if is_index and number not in common:
            found.append((_LEADING.index(keyword), number, by_modality))
    if not found:
        # No index finds the words of a name; but reading all names takes a fraction of meeting all rows in order.
        words = (number for number, shape in enumerate(shapes) if shape.kind == "words" and number not in common)
        return next(words, None), False
    _, number, by_modality = min(found)
    keyword = shapes[number].keywords[0]
    if not by_modality and keyword in _COMMON and (not whole or searched(keyword).level > level):
        return None, False
    return number, by_modality


def _has_index(shape: Shape) -> bool:
    """Tell whether an index on the attribute finds what a condition asks for."""
    if shape.kind == "or":
        # By dates, rows are met in the order of the answer; several ranges of them would have to be sorted.
        return shape.keywords[0] not in _ORDERED and all(_has_index(part) for part, _ in shape.form)
    if shape.kind == "any":
        return all(not form or form[0] for form in shape.form)
    return shape.kind not in ("absent", "words")


def levels_of(shape: Shape) -> Level:
    """Return the level of the rows that a condition is about."""
    return Level.STUDY if shape.keywords[0] == MODALITIES else searched(shape.keywords[0]).level
