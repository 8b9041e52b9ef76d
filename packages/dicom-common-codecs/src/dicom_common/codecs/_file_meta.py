"""What stands before the data set of a file (PS3.10 7.1): a preamble of zeros, `DICM` and the File Meta Information."""

from __future__ import annotations

from typing import Final

from dicom_common.codecs._elements import written_head
from dicom_common.core import Instance, Stored

__all__ = ["file_start"]

_IMPLEMENTATION_CLASS_UID: Final = "2.25.277420247061944190497811012593119703797"
_IMPLEMENTATION_VERSION_NAME: Final = "DICOM_COMMON"


def file_start(instance: Instance | Stored, transfer_syntax_uid: str) -> bytes:
    """Write what stands before the data set of an instance in a transfer syntax (PS3.10 7.1)."""
    elements = b"".join(
        (
            written_head(0x00020001, b"OB", 2) + b"\0\1",
            _uid(0x00020002, instance.sop_class_uid),
            _uid(0x00020003, instance.sop_uid),
            _uid(0x00020010, transfer_syntax_uid),
            _uid(0x00020012, _IMPLEMENTATION_CLASS_UID),
            written_head(0x00020013, b"SH", len(_IMPLEMENTATION_VERSION_NAME)) + _IMPLEMENTATION_VERSION_NAME.encode(),
        )
    )
    length = len(elements).to_bytes(4, "little")
    return bytes(128) + b"DICM" + written_head(0x00020000, b"UL", 4) + length + elements


def _uid(tag: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return written_head(tag, b"UI", len(value)) + value
