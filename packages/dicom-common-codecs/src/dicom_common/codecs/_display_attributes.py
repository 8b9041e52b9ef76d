"""What tells how a frame is shown: of the top level, or of its functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import Any, Final

from dicom_common.codecs._attributes import Attributes, items

__all__ = ["display_attributes"]

_MODALITY: Final = ("00281052", "00281053", "00283000")
_VOI: Final = ("00281050", "00281051", "00281056", "00283010")
_SPACING: Final = ("00280030", "00280034", "00181164", "00182010")
_PADDING: Final = ("00280120", "00280121", "00280122", "00280123")
_PALETTE: Final = tuple(f"0028{element}{colour}" for element in ("110", "120", "122") for colour in "123")
_TOP: Final = (*_MODALITY, *_VOI, *_SPACING, *_PADDING, *_PALETTE, "20500020")
_GROUPS: Final = {"00289145": _MODALITY, "00289132": _VOI, "00289110": _SPACING}
"""Pixel Value Transformation, Frame VOI LUT and Pixel Measures Sequence: in each item, what stands at the top level of
other objects."""


def display_attributes(header: Attributes, frame: int) -> dict[str, Any]:
    """Take what tells how frame `frame` (from 1) is shown: its own functional groups go before the shared ones."""
    found = {tag: header[tag] for tag in _TOP if tag in header}
    per_frame = items(header, "52009230")
    groups = [*items(header, "52009229")[:1], *per_frame[frame - 1 : frame]]
    for group in groups:
        for sequence, tags in _GROUPS.items():
            for item in items(group, sequence)[:1]:
                for tag in tags:
                    found.pop(tag, None)
                found |= {tag: item[tag] for tag in tags if tag in item}
    return found
