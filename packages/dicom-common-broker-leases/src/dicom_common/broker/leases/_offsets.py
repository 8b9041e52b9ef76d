"""What a group has acknowledged of a partition."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from dicom_common.core import DamagedError
from dicom_common.toolkit import parse_json

__all__ = ["Offsets"]


@dataclass(frozen=True, slots=True)
class Offsets:
    """A set of offsets: all below a position, and ranges above it."""

    position: int
    above: tuple[tuple[int, int], ...] = ()
    """Ranges from one offset to before another, ascending; between any two, and below the first, something is open."""

    def with_acknowledged(self, offsets: Iterable[int]) -> Self:
        """Add offsets."""
        numbers = set(offsets)
        if not self.above and numbers and min(numbers) == self.position and max(numbers) - self.position < len(numbers):
            return type(self)(max(numbers) + 1)  # the usual case: the next ones, all of them
        return self._with([(offset, offset + 1) for offset in numbers])

    def with_dropped(self, start: int, end: int) -> Self:
        """Add a range of offsets whose messages the broker has dropped."""
        return self._with([(start, end)])

    def _with(self, more: list[tuple[int, int]]) -> Self:
        ranges: list[tuple[int, int]] = []
        for start, end in sorted([(0, self.position), *self.above, *more]):
            if ranges and start <= ranges[-1][1]:
                ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
            else:
                ranges.append((start, end))
        return type(self)(ranges[0][1], tuple(ranges[1:]))

    def from_first(self, first: int) -> Self:
        """Count what is dropped, all below an offset, as acknowledged."""
        return self.with_dropped(0, first)

    def __contains__(self, offset: int) -> bool:
        return offset < self.position or (bool(self.above) and self.next_open(offset) != offset)

    def next_open(self, offset: int) -> int:
        """Return the first offset from a given one on that is not acknowledged."""
        if offset < self.position:
            return self.position
        for start, end in self.above:
            if offset < start:
                break
            if offset < end:
                return end
        return offset

    def open_before(self, end: int) -> int:
        """Count the offsets before a given one that are not acknowledged."""
        return max(end - self.position, 0) - sum(min(stop, end) - min(start, end) for start, stop in self.above)

    def to_bytes(self) -> bytes:
        """Write it down."""
        if not self.above:
            return b"[%d]" % self.position
        return json.dumps([self.position, *(end for pair in self.above for end in pair)]).encode()

    @classmethod
    def from_bytes(cls, value: bytes, where: str) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            DamagedError: it is something else.
        """
        try:
            numbers = parse_json(value)
            position, *ends = numbers
            above = tuple(zip(ends[::2], ends[1::2], strict=True))
        except (ValueError, TypeError):
            numbers, position, above = None, 0, ()
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise DamagedError(
                f"What a consumer group has acknowledged is damaged in {where}: restore it, or forget the group."
            )
        return cls(position, above)
