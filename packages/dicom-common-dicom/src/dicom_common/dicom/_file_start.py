"""What stands before the data set of a file (PS3.10 7.1): a preamble of zeros, `DICM` and the File Meta Information."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["IMPLEMENTATION_CLASS_UID", "IMPLEMENTATION_VERSION_NAME", "file_start"]

IMPLEMENTATION_CLASS_UID: Final = "2.25.277420247061944190497811012593119703797"
"""By which our files and our associations say who made them (PS3.7 D.3.3.2)."""
IMPLEMENTATION_VERSION_NAME: Final = "DICOM_COMMON"
_START: Final = bytes(128) + b"DICM\2\0\0\0UL\4\0"
_VERSION: Final = b"\2\0\1\0OB\0\0\2\0\0\0\0\1"


def file_start(sop_class_uid: str, sop_uid: str, transfer_syntax_uid: str, *, source_ae_title: str = "") -> bytes:
    """Write what stands before the data set of an instance.

    Args:
        sop_class_uid: its SOP Class UID.
        sop_uid: its SOP Instance UID.
        transfer_syntax_uid: that of the data set.
        source_ae_title: the AE title of who has sent it; empty: it did not come from one.
    """
    elements = (
        _VERSION
        + _element(0x0002, b"UI", sop_class_uid, b"\0")
        + _element(0x0003, b"UI", sop_uid, b"\0")
        + _element(0x0010, b"UI", transfer_syntax_uid, b"\0")
        + _OURS
        + (_element(0x0016, b"AE", source_ae_title, b" ") if source_ae_title else b"")
    )
    return _START + len(elements).to_bytes(4, "little") + elements


def _element(number: int, vr: bytes, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    value += padding * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value


_OURS: Final = _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID, b"\0") + _element(
    0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, b" "
)
