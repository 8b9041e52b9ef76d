"""An object as received, as the DICOM file that goes out: with preamble and File Meta Information (PS3.10 7.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dicom_common.core import Stored

__all__ = ["dicom_file"]

_PREAMBLE = 128
_PREFIX = b"DICM"
_IMPLEMENTATION = "2.25.164977104359236839230328488004025027911"
_LONG = ("OB",)
"""Of the VRs below, those whose length has 32 bits (PS3.5 7.1.2)."""


def dicom_file(chunks: Iterator[bytes], stored: Stored, *, keep_preamble: bool) -> Iterator[bytes]:
    """Iterate over the file. What was received without preamble or File Meta Information gets them.

    Args:
        chunks: the object as received.
        stored: what the index knows of it.
        keep_preamble: whether the preamble, which can carry a program (PS3.10 7.5), stays as it was.
    """
    try:
        yield from _completed(chunks, stored, keep_preamble=keep_preamble)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _completed(chunks: Iterator[bytes], stored: Stored, *, keep_preamble: bool) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _PREAMBLE + len(_PREFIX):
            break
    if head[_PREAMBLE : _PREAMBLE + len(_PREFIX)] == _PREFIX:
        yield head if keep_preamble else bytes(_PREAMBLE) + head[_PREAMBLE:]
    elif head[:2] == b"\x02\x00":
        yield bytes(_PREAMBLE) + _PREFIX + head
    else:
        yield bytes(_PREAMBLE) + _PREFIX + _file_meta(stored) + head
    yield from chunks


def _file_meta(stored: Stored) -> bytes:
    """Return File Meta Information for a data set that came without."""
    elements = b"".join(
        (
            _element(0x0001, "OB", b"\0\1"),
            _element(0x0002, "UI", stored.sop_class_uid.encode()),
            _element(0x0003, "UI", stored.sop_uid.encode()),
            _element(0x0010, "UI", stored.transfer_syntax_uid.encode()),
            _element(0x0012, "UI", _IMPLEMENTATION.encode()),
        )
    )
    return _element(0x0000, "UL", struct.pack("<I", len(elements))) + elements


def _element(number: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    length = struct.pack("<HI", 0, len(value)) if vr in _LONG else struct.pack("<H", len(value))
    return struct.pack("<HH", 2, number) + vr.encode() + length + value
