"""The VR of a tag by the data dictionary (PS3.6), as pydicom has it.

`import pydicom` takes some 400 ms and pulls in much that reading does not need; its dictionary alone, a module that
imports nothing, takes 10 ms. So it is loaded from its file, at the first tag that needs it: most explicit VR data
sets need it for none.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["dictionary_vr", "is_attribute", "private_vr"]

_HEX = re.compile(r"[0-9A-Fa-f]{8}")


@cache
def _tables(name: str) -> dict[str, Any]:
    package = importlib.util.find_spec("pydicom")
    if package is None or package.origin is None:
        raise ImportError("pydicom is not installed; run `pip install dicom-common-dicom` again.")
    path = Path(package.origin).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"dicom_common.dicom.{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"pydicom has no {name}; dicom-common-dicom needs pydicom 3.0.2 or later.")
    module = ModuleType(spec.name)
    spec.loader.exec_module(module)
    return vars(module)


@cache
def _repeaters() -> tuple[tuple[int, int, str], ...]:
    """Give mask, value and VR of the repeating groups, such as the overlays 60xx (PS3.5 7.6)."""
    rows = _tables("_dicom_dict")["RepeatersDictionary"]
    return tuple(
        (
            int("".join("0" if digit == "x" else "F" for digit in key), 16),
            int(key.replace("x", "0"), 16),
            row[0],
        )
        for key, row in rows.items()
    )


def dictionary_vr(tag: int) -> str:
    """Give the VR of a standard tag, `UN` if it has none. It may be a choice, such as `US or SS`."""
    row = _tables("_dicom_dict")["DicomDictionary"].get(tag)
    if row is not None:
        vr: str = row[0]
        return "UN" if vr == "NONE" else vr
    if tag >> 16 & 1 == 0:
        for mask, value, vr in _repeaters():
            if tag & mask == value:
                return vr
    return "UN"


def private_vr(creator: str, tag: int) -> str:
    """Give the VR of a private tag (PS3.5 7.8) by its private creator, `UN` if pydicom does not know it.

    Nothing is remembered here: creators are the sender's.
    """
    table: dict[str, tuple[str, ...]] | None = _tables("_private_dict")["private_dictionaries"].get(creator)
    if table is None:
        return "UN"
    group, element = tag >> 16, tag & 0xFF
    row = table.get(f"{group:04X}xx{element:02X}")
    return row[0] if row else "UN"


def is_attribute(path: str) -> bool:
    """Tell whether a path, of keywords or eight hex digits each, leads to an attribute that a data set can have.

    It is one of PS3.6, or a private one (PS3.5 7.8); all before it have to be sequences. Whether a private one is a
    sequence is not known, and is taken for granted.
    """
    *sequences, last = path.split(".")
    return _vr_of(last) is not None and all(_vr_of(name) in ("SQ", _PRIVATE) for name in sequences)


_PRIVATE = "private"
_NOT_OF_A_DATA_SET = frozenset((0x0000, 0x0002, 0xFFFE, 0x0001, 0x0003, 0x0005, 0x0007, 0xFFFF))
"""Groups of commands, of File Meta Information and of items, and odd ones that are never private (PS3.5 7.1, 7.8)."""


def _vr_of(name: str) -> str | None:
    """Return the VR of a keyword or tag, `private` for a private one; None: it is no attribute of a data set."""
    if not _HEX.fullmatch(name):
        return _keywords().get(name)
    tag = int(name, 16)
    if tag >> 16 in _NOT_OF_A_DATA_SET:
        return None
    if tag >> 16 & 1:
        return _PRIVATE
    vr = dictionary_vr(tag)
    return vr if vr != "UN" or tag in _tables("_dicom_dict")["DicomDictionary"] else None


@cache
def _keywords() -> dict[str, str]:
    tables = _tables("_dicom_dict")
    tagged = {tag: row for tag, row in tables["DicomDictionary"].items() if tag >> 16 not in _NOT_OF_A_DATA_SET}
    return {row[4]: row[0] for row in (*tagged.values(), *tables["RepeatersDictionary"].values()) if row[4]}
