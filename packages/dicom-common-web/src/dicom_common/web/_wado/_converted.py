"""Instances in another transfer syntax than they are stored in."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from dicom_common.codecs import Codecs, Ranges
from dicom_common.core import Storage, Stored
from dicom_common.pipeline import ranges_of as object_ranges

__all__ = ["converted", "ranges_of"]

_IN_MEMORY = 4 << 20
"""Bytes of an instance that are held in memory; a larger one is in a temporary file."""
_CHUNK = 256 * 1024


def converted(codecs: Codecs, chunks: Iterator[bytes], target_uid: str) -> Generator[bytes, None, None]:
    """Iterate over the file that an instance is in another transfer syntax; the stored copy stays what it is.

    Nothing is given before all of it is converted.

    Args:
        codecs: what converts.
        chunks: the instance as received; an error in it leaves nothing converted.
        target_uid: the transfer syntax.

    Raises, while iterating:
        DicomError: it cannot be converted.
    """
    with SpooledTemporaryFile[bytes](_IN_MEMORY) as source, SpooledTemporaryFile[bytes](_IN_MEMORY) as out:
        for chunk in chunks:
            source.write(chunk)
        for piece in codecs.transcoded(_ranges(source, source.tell()), target_uid):
            out.write(piece)
        out.seek(0)
        while chunk := out.read(_CHUNK):
            yield chunk


def _ranges(file: IO[bytes], size: int) -> Ranges:
    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return file.read(length)

    return Ranges(read, size)


def ranges_of(storage: Storage, stored: Stored) -> Ranges:
    """Return a stored instance as the codecs read it: by ranges."""
    return Ranges(object_ranges(storage, stored), stored.size)
