"""The data set of a stored object, without what stands before it (PS3.10 7.1), in a transfer syntax that is taken."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from dicom_common.codecs import Codecs, Ranges
from dicom_common.core import Stored
from dicom_common.dicom import read_header
from dicom_common.dimse._moving._implicit import to_implicit
from dicom_common.toolkit import spooling

__all__ = ["EXPLICIT", "IMPLICIT", "DataSet", "data_set"]

EXPLICIT: Final = "1.2.840.10008.1.2.1"
IMPLICIT: Final = "1.2.840.10008.1.2"
_IN_MEMORY: Final = 16 << 20
"""Bytes of an instance that are held in memory; a larger one is in a temporary file."""
_PIECE: Final = 1 << 20
_META: Final = struct.Struct("<HH2sHI")


class DataSet:
    """A data set that can be sent: its bytes were compared with the index."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._file, self._start = file, start

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        while piece := self._file.read(_PIECE):
            yield piece


@contextmanager
def data_set(chunks: Iterable[bytes], stored: Stored, transfer_syntax: str, codecs: Codecs) -> Iterator[DataSet]:
    """Give the data set of an instance: the stored bytes, unless another transfer syntax is asked for.

    Nothing is given before all of it was read: what is damaged is not sent in part.

    Args:
        chunks: the object as received; see `Retrieved.chunks`.
        stored: what the index knows of it.
        transfer_syntax: as stored, or explicit or implicit VR little endian.
        codecs: what converts.

    Raises:
        BackendError: the object cannot be read, or is damaged; the temporary folder is full.
        DicomError: it cannot be converted.
    """
    with SpooledTemporaryFile[bytes](_IN_MEMORY) as file:
        _fill(file, chunks)
        if transfer_syntax == stored.transfer_syntax_uid:
            yield DataSet(file, _start(file, stored))
            return
        with SpooledTemporaryFile[bytes](_IN_MEMORY) as converted:
            _fill(converted, codecs.transcoded(_ranges(file, stored.size), EXPLICIT))
            start = _behind_meta(converted)
            assert start is not None  # the codecs have written it
            if transfer_syntax == EXPLICIT:
                yield DataSet(converted, start)
                return
            with SpooledTemporaryFile[bytes](_IN_MEMORY) as implicit:
                converted.seek(start)
                with spooling():
                    to_implicit(converted, implicit)
                yield DataSet(implicit, 0)


def _fill(file: IO[bytes], pieces: Iterable[bytes]) -> None:
    with spooling():
        for piece in pieces:
            file.write(piece)


def _start(file: IO[bytes], stored: Stored) -> int:
    """Return where the data set begins; what does not look as it should is read as at the ingest."""
    start = _behind_meta(file)
    if start is not None:
        return start
    ranges = _ranges(file, stored.size)
    return read_header(ranges.read, size=stored.size, sha256=stored.sha256).instance.data_set_offset


def _behind_meta(file: IO[bytes]) -> int | None:
    """Return where the File Meta Information ends by its group length; None where that cannot be told so."""
    file.seek(128)
    head = file.read(16)
    if len(head) < 16 or head[:4] != b"DICM" or head[4:12] != b"\2\0\0\0UL\4\0":
        return None
    start = 144 + int.from_bytes(head[12:16], "little")
    # The group length is believed where it leads from the last element of the group to one of another group.
    at = 144
    while at < start:
        file.seek(at)
        element = file.read(12)
        if len(element) < 12 or element[:2] != b"\2\0":
            return None
        _, _, vr, short, long = _META.unpack(element)
        at += 12 + long if vr in (b"OB", b"UN", b"UT", b"UC", b"UR", b"OW") else 8 + short
    file.seek(at)
    return start if at == start and file.read(2) not in (b"\2\0", b"") else None


def _ranges(file: IO[bytes], size: int) -> Ranges:
    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return Ranges(read, size)
