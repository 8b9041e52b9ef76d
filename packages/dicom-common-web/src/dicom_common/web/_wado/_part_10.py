"""An object as received, as the DICOM file that goes out: with preamble and File Meta Information (PS3.10 7.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from dicom_common.core import DicomError, Stored
from dicom_common.dicom import data_set_offset, file_start

__all__ = ["dicom_file"]

_PREAMBLE = 128
_ZEROS = bytes(_PREAMBLE)
_PREFIX = b"DICM"
_META = b"\x02\x00"
_MOST_META = 8192
"""Where a transfer syntax is looked for."""
_READ = 1 << 16
"""Bytes of an object whose File Meta Information is replaced, to find its data set."""


def dicom_file(chunks: Iterator[bytes], stored: Stored, *, keep_preamble: bool) -> Iterator[bytes]:
    """Iterate over the file. What was received without preamble or File Meta Information gets them.

    A File Meta Information that names no transfer syntax, or another one than the data set has, is replaced: with it,
    others could not read the file.

    Args:
        chunks: the object as received.
        stored: what the index knows of it.
        keep_preamble: whether the preamble, which can carry a program (PS3.10 7.5), stays as it was.
    """
    try:
        head = _read(chunks, b"", _PREAMBLE + len(_PREFIX))
        if head[_PREAMBLE : _PREAMBLE + len(_PREFIX)] == _PREFIX:
            if not (keep_preamble or head.startswith(_ZEROS)):
                head = b"".join((_ZEROS, memoryview(head)[_PREAMBLE:]))
        elif head.startswith(_PREFIX):
            head = _ZEROS + head
        elif head.startswith(_META):
            head = _ZEROS + _PREFIX + head
        else:
            head = _start(stored) + head
        is_named = head.find(_naming(stored.transfer_syntax_uid), len(_ZEROS), _MOST_META) > 0
        yield head if is_named else _replaced(_read(chunks, head, _READ), stored)
        del head  # not held beside the next chunk
        yield from chunks
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _read(chunks: Iterator[bytes], head: bytes, size: int) -> bytes:
    while len(head) < size and (more := next(chunks, None)) is not None:
        head += more
    return head


@lru_cache(maxsize=256)  # the few transfer syntaxes come again and again
def _naming(transfer_syntax_uid: str) -> bytes:
    """Return the element of a File Meta Information that names a transfer syntax, (0002,0010)."""
    value = transfer_syntax_uid.encode("ascii", "replace")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, 0x0010, b"UI", len(value)) + value


def _replaced(head: bytes, stored: Stored) -> bytes:
    try:
        data_set = memoryview(head)[data_set_offset(head) :]
    except DicomError:  # it is longer than what is read here
        return head
    return b"".join((head[:_PREAMBLE], _start(stored)[_PREAMBLE:], data_set))


def _start(stored: Stored) -> bytes:
    return file_start(stored.sop_class_uid, stored.sop_uid, stored.transfer_syntax_uid)
