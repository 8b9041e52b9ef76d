"""Which attribute a key of a request is: one that a match has, or one that only the kept metadata has."""

from __future__ import annotations

import re
from typing import NamedTuple

from dicom_common.core import ATTRIBUTES_BY_KEYWORD, Level
from dicom_common.toolkit.query_rules import COMPUTED

__all__ = ["Asked", "attribute_of"]

_HEX = re.compile(r"[0-9A-Fa-f]{8}")
_INDEXED = {keyword: (one.tag, one.level) for keyword, one in (ATTRIBUTES_BY_KEYWORD | COMPUTED).items()}
"""What a match can have: the tag and the level of each keyword."""
_BY_TAG = {tag: keyword for keyword, (tag, _) in _INDEXED.items()}

# What else belongs to a study or a series whatever the instance is: the Patient, Clinical Trial Subject, General
# Study, Patient Study and Clinical Trial Study Modules (PS3.3 C.7.1, C.7.2), and the General Series Module (C.7.3.1).
# All other attributes may differ between the instances of a series.
_OF_STUDY = frozenset(
    {
        0x00080051, 0x0008009C, 0x00080096, 0x00081032, 0x00081048, 0x00081049, 0x00081060, 0x00081062, 0x00081080,
        0x00081084, 0x00081110, 0x00081120, 0x00100022, 0x00100024, 0x00100026, 0x00100027, 0x00100028, 0x00100033,
        0x00100034, 0x00100035, 0x00100200, 0x00100212, 0x00100213, 0x00100214, 0x00100215, 0x00100216, 0x00100217,
        0x00100218, 0x00100219, 0x00100221, 0x00100222, 0x00100223, 0x00101000, 0x00101001, 0x00101002, 0x00101005,
        0x00101021, 0x00101022, 0x00101023, 0x00101024, 0x00101060, 0x00101100, 0x00102000, 0x00102110, 0x00102160,
        0x00102180, 0x001021A0, 0x001021B0, 0x001021C0, 0x001021D0, 0x001021F0, 0x00102201, 0x00102202, 0x00102203,
        0x00102292, 0x00102293, 0x00102294, 0x00102295, 0x00102296, 0x00102297, 0x00102298, 0x00102299, 0x00104000,
        0x00120010, 0x00120020, 0x00120021, 0x00120030, 0x00120031, 0x00120040, 0x00120042, 0x00120050, 0x00120051,
        0x00120062, 0x00120063, 0x00120064, 0x00321033, 0x00321034, 0x00324000, 0x00380010, 0x00380014, 0x00380060,
        0x00380062, 0x00380064, 0x00380500, 0x00401012, 0x00401060,
    }
)  # fmt: skip
_OF_SERIES = frozenset(
    {
        0x0008103F, 0x00081050, 0x00081052, 0x00081070, 0x00081072, 0x00081090, 0x00081111, 0x00081250, 0x00120060,
        0x00120071, 0x00120072, 0x00180010, 0x00181000, 0x00181008, 0x00181016, 0x00181018, 0x00181020, 0x00185100,
        0x00200052, 0x00201040, 0x00280108, 0x00280109, 0x00400250, 0x00400251, 0x00400253, 0x00400254, 0x00400255,
        0x00400260, 0x00400280, 0x00102210,
    }
)  # fmt: skip


class Asked(NamedTuple):
    """An attribute that an answer should have."""

    tag: int
    keyword: str
    """Its keyword where a match of `Database.find` has it; otherwise "": the kept metadata has it."""
    level: Level
    """From which level on it is one attribute (PS3.3 C.7): a study has what all its instances have alike."""


def attribute_of(key: str) -> Asked | None:
    """Return what a key of a search (QIDO-RS, C-FIND) asks answers to have; None: it is no attribute.

    Args:
        key: a keyword, eight hex digits, or a path of these into a sequence, which stands for its sequence.
    """
    first = key.partition(".")[0]
    tag = int(first, 16) if _HEX.fullmatch(first) else _INDEXED[first][0] if first in _INDEXED else _known_tag(first)
    if tag is None:
        return None
    if (keyword := _BY_TAG.get(tag)) is not None:
        return Asked(tag, keyword, _INDEXED[keyword][1])
    level = Level.STUDY if tag in _OF_STUDY else Level.SERIES if tag in _OF_SERIES else Level.INSTANCE
    return Asked(tag, "", level)


def _known_tag(keyword: str) -> int | None:
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415 - for the few requests that need more than the index

    return tag_for_keyword(keyword)
