"""An object as received, as the DICOM file that goes out: with preamble and File Meta Information (PS3.10 7.1)."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_common.core import Stored
from dicom_common.dicom import file_start

__all__ = ["dicom_file"]

_PREAMBLE = 128
_ZEROS = bytes(_PREAMBLE)
_PREFIX = b"DICM"


def dicom_file(chunks: Iterator[bytes], stored: Stored, *, keep_preamble: bool) -> Iterator[bytes]:
    """Iterate over the file. What was received without preamble or File Meta Information gets them.

    Args:
        chunks: the object as received.
        stored: what the index knows of it.
        keep_preamble: whether the preamble, which can carry a program (PS3.10 7.5), stays as it was.
    """
    try:
        head = next(chunks, b"")
        while len(head) < _PREAMBLE + len(_PREFIX) and (more := next(chunks, None)) is not None:
            head += more
        if head[_PREAMBLE : _PREAMBLE + len(_PREFIX)] == _PREFIX:
            is_as_stored = keep_preamble or head.startswith(_ZEROS)
            yield head if is_as_stored else b"".join((_ZEROS, memoryview(head)[_PREAMBLE:]))
        elif head[:2] == b"\x02\x00":
            yield _ZEROS + _PREFIX + head
        else:
            yield file_start(stored.sop_class_uid, stored.sop_uid, stored.transfer_syntax_uid) + head
        del head  # not held beside the next chunk
        yield from chunks
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
