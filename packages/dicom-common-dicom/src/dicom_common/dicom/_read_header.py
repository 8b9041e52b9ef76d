"""`read_header`: the same reading of an object that lies elsewhere, whose size and digest are known already."""

from __future__ import annotations

from dicom_common.core import DicomError
from dicom_common.dicom._fragments import ReadRange
from dicom_common.dicom._read import Reading, read_window, window_over, within_limits
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["RangeFeed", "read_header"]

_DEFAULTS = ReaderSettings()
_JUMP, _BEHIND_A_JUMP = 64 << 10, 16 << 10
"""Behind so long a jump ranges begin small again: the next header may be all that is needed before another one."""
_LARGEST = 8 << 20
"""The largest range: it holds many short fragments, each of which would take a request of its own."""


def read_header(
    read_range: ReadRange,
    *,
    size: int,
    sha256: str,
    first: int = 256 * 1024,
    settings: ReaderSettings = _DEFAULTS,
) -> Reading:
    """Read an instance by ranges, without its native pixel data and other long values.

    The ranges grow as long as the header goes on, so an ordinary instance takes one request. The fragments of
    encapsulated pixel data (PS3.5 A.4) have to be walked through: short ones are read, over long ones it jumps.

    Args:
        read_range: gives bytes of the object.
        size: how many bytes the object has.
        sha256: its digest, in hex, which the record of the instance gets as it is: nothing here verifies it.
        first: bytes of the first range.
        settings: limits and tolerance.

    Raises:
        DicomError: this cannot be taken as an instance; `reason` is a `Reason`.
    """
    with within_limits():
        feed = RangeFeed(read_range, size, first)
        window = window_over(feed, settings)
        return read_window(window, feed.go_to, lambda: (size, sha256), settings)


class RangeFeed:
    """The bytes of an object in their order, those that are passed over left out; see `Feed`."""

    def __init__(self, read_range: ReadRange, size: int, first: int) -> None:
        self._read_range = read_range
        self._size = size
        self._next = first
        self._position = 0
        self._start, self._held = 0, b""

    def pull(self, size: int) -> bytes:
        at = self._position - self._start
        if not 0 <= at < len(self._held):
            self._fetch()
            at = 0
        data = self._held[at : at + size]
        self._position += len(data)
        return data

    def drop(self, size: int) -> int:
        size = max(0, min(size, self._size - self._position))
        self._position += size
        if self._position - (self._start + len(self._held)) > _JUMP:
            self._next = min(self._next, _BEHIND_A_JUMP)
        return size

    def go_to(self, position: int) -> RangeFeed:
        """Begin again at a position that was passed."""
        self._position = position
        return self

    def _fetch(self) -> None:
        wanted = min(self._next, self._size - self._position)
        self._start, self._held = self._position, b""
        if wanted > 0:
            self._held = self._read_range(self._position, wanted)
            if len(self._held) < wanted:
                raise DicomError(Reason.TRUNCATED, "The object is shorter than it should be; ask for a new copy.")
        self._next = min(self._next * 2, _LARGEST)
