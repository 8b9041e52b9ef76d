"""Ranges of a data set that is deflated as a whole (PS3.5 A.5): inflated as far as needed, and never kept whole."""

from __future__ import annotations

from collections.abc import Iterator

from dicom_common.codecs._sources import Ranges
from dicom_common.dicom import ReaderSettings, inflate

__all__ = ["inflated"]


def inflated(source: Ranges, settings: ReaderSettings) -> Ranges:
    """Give range reads of the inflated data set, whose first byte is at 0.

    Args:
        source: the object as stored.
        settings: the reader's, with the limits of `inflate`. `size` of the result is `max_inflated_bytes`.
    """
    return Ranges(_InflatedReads(source, settings).read, settings.max_inflated_bytes)


class _InflatedReads:
    """One pass over the stream; reading before the point that it has reached begins it anew."""

    def __init__(self, source: Ranges, settings: ReaderSettings) -> None:
        self._source, self._settings = source, settings
        self._begin()

    def _begin(self) -> None:
        self._pieces: Iterator[bytes] = inflate(self._source.read, size=self._source.size, settings=self._settings)
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
        self._held = next(self._pieces, b"")
        return bool(self._held)
