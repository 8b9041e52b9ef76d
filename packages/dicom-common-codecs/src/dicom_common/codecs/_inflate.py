"""Ranges of a data set that is deflated as a whole (PS3.5 A.5): inflated as far as needed, and never kept whole."""

from __future__ import annotations

import zlib
from typing import Final

from dicom_common.codecs._sources import Ranges
from dicom_common.core import DicomError
from dicom_common.dicom import Reason

__all__ = ["inflated"]

_PIECE: Final = 64 << 10


def inflated(source: Ranges, start: int, limit: int) -> Ranges:
    """Give range reads of the inflated data set, whose first byte is at 0.

    Args:
        source: the object as stored.
        start: where the deflate stream begins: behind the File Meta.
        limit: bytes that it may become. `size` of the result is this limit.
    """
    return Ranges(_InflatedReads(source, start, limit).read, limit)


class _InflatedReads:
    """One pass over the stream; reading before the point that it has reached begins it anew."""

    def __init__(self, source: Ranges, start: int, limit: int) -> None:
        self._source, self._start, self._limit = source, start, limit
        self._begin()

    def _begin(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = self._start
        self._held, self._at = b"", 0
        """Inflated bytes that were not asked for yet, and where in the data set the first of them is."""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, or what there is of them."""
        if offset < self._at:
            self._begin()
        pieces, missing = [], length
        while missing > 0 and (self._held or self._pull()):
            skipped = min(len(self._held), max(0, offset - self._at))
            taken = self._held[skipped : skipped + missing]
            self._at += skipped + len(taken)
            self._held = self._held[skipped + len(taken) :]
            pieces.append(taken)
            missing -= len(taken)
        return b"".join(pieces)

    def _pull(self) -> bool:
        """Inflate a further piece; tell whether there was one."""
        while not self._stream.eof:
            data = self._stream.unconsumed_tail
            if not data:
                data = self._source.read(self._taken, _PIECE)
                self._taken += len(data)
            try:
                self._held = self._stream.decompress(data, _PIECE)
            except zlib.error as error:
                raise DicomError(Reason.BAD_DEFLATE, "The data set is not a deflate stream (PS3.5 A.5).") from error
            if self._held:
                if self._at + len(self._held) > self._limit:
                    raise DicomError(
                        Reason.INFLATES_TOO_MUCH, "The data set inflates to more than reader.max_inflated_bytes."
                    )
                return True
            if not data:
                return False
        return False
