"""How a frame index is written down: small enough that an index of instances can keep one for each.

The first byte is the version of the form, the second says which of the parts are there. Numbers that stand alone are in
groups of seven bits, the lowest first; lists of them are arrays of the narrowest width, deflated where that is shorter.
Native pixel data takes about a dozen bytes.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import Final, NamedTuple

from dicom_common.core import Finding
from dicom_common.dicom._fragments import ITEM_HEADER, Fragments
from dicom_common.dicom._offset_tables import Starts

__all__ = ["Parts", "frame_parts", "written_frames"]

_VERSION: Final = 1
_ENCAPSULATED, _INFLATED, _GAPS, _STARTS, _WARNINGS = 1, 2, 4, 8, 16
_KNOWN: Final = 31
_WIDTHS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_DEFLATED: Final = 0x80
_WORTH: Final = 64
"""Bytes of a list from which on deflating it is tried."""
_MAX_NUMBER: Final = (1 << 63) - 1
_MAX_TEXT: Final = 1 << 20
"""Bytes of all warnings."""
_BIG: Final = sys.byteorder == "big"


class Parts(NamedTuple):
    """What a frame index is made of."""

    frames: int
    inflated: bool
    warnings: tuple[Finding, ...]
    start: int = 0
    bits: int = 0
    fragments: Fragments | None = None
    starts: Starts = ()


def written_frames(parts: Parts) -> bytes:
    """Write a frame index."""
    found, flags = parts.fragments, _INFLATED if parts.inflated else 0
    body = bytearray()
    if found is None:
        for number in (parts.frames, parts.start, parts.bits):
            _put(body, number)
    else:
        flags |= _ENCAPSULATED
        offsets, lengths = found.offsets, found.lengths
        _put(body, len(offsets))
        _put(body, offsets[0] if offsets else 0)
        _put_list(body, lengths)
        # Nearly always a fragment begins behind the item header that follows the one before it.
        gaps = [behind - before - length for (before, behind), length in zip(pairwise(offsets), lengths, strict=False)]
        if any(gap != ITEM_HEADER for gap in gaps):
            flags |= _GAPS
            _put_list(body, [2 * gap if gap >= 0 else -2 * gap - 1 for gap in gaps])
        if len(parts.starts) != len(offsets) + 1:
            flags |= _STARTS
            _put(body, parts.frames)
            _put_list(body, [behind - before for before, behind in pairwise(parts.starts)])
    if parts.warnings:
        flags |= _WARNINGS
        text = "\0".join(chain.from_iterable(parts.warnings)).encode()
        _put(body, len(text))
        body += text
    return bytes((_VERSION, flags)) + body


def frame_parts(data: bytes, max_fragments: int) -> Parts:
    """Read a frame index that `written_frames` has written.

    Raises:
        ValueError: it is not one, is of another version, or has more than `max_fragments`.
    """
    if len(data) < 2 or data[0] != _VERSION or data[1] & ~_KNOWN:
        raise ValueError("these bytes are not a frame index of the version that this code reads")
    flags, reading = data[1], _Reading(data, 2)
    inflated = bool(flags & _INFLATED)
    if not flags & _ENCAPSULATED:
        count, start, bits = reading.number(), reading.number(), reading.number()
        return Parts(count, inflated, _warnings(reading, flags), start, bits)
    number, first = reading.number(), reading.number()
    if number > max_fragments:
        raise ValueError(f"the frame index has {number} fragments, and the limit is {max_fragments}")
    lengths = reading.several(number)
    gaps: Iterable[int] = ()
    if flags & _GAPS:
        gaps = [gap // 2 if gap % 2 == 0 else -(gap + 1) // 2 for gap in reading.several(max(number - 1, 0))]
    offsets = _offsets(first, lengths, gaps)
    starts: Starts = range(number + 1)
    if flags & _STARTS:
        frames = reading.number()
        if frames > number:
            raise ValueError("the frame index has more frames than fragments")
        starts = _sums(reading.several(frames))
        if starts[-1] != number:
            raise ValueError("the frames of the frame index are not made of its fragments")
    return Parts(
        len(starts) - 1,
        inflated,
        _warnings(reading, flags),
        fragments=Fragments(offsets, lengths),
        starts=starts,
    )


class _Reading:
    """Reads what was written, never beyond its end."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def number(self) -> int:
        number = shift = 0
        while True:
            (byte,) = self.take(1)
            number |= (byte & 0x7F) << shift
            if number > _MAX_NUMBER:
                raise ValueError("the frame index has a number that is too large")
            if byte < 0x80:
                return number
            shift += 7

    def several(self, count: int) -> array[int]:
        (form,) = self.take(1)
        code = _WIDTHS.get(form & ~_DEFLATED)
        if code is None:
            raise ValueError("the frame index has a list of an unknown width")
        values = array(code)
        size = count * values.itemsize
        raw = _inflated(self.take(self.number()), size) if form & _DEFLATED else self.take(size)
        values.frombytes(raw)
        if _BIG:
            values.byteswap()
        return values

    def take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) != length:
            raise ValueError("the frame index is cut short")
        self._at += length
        return taken

    def at_end(self) -> bool:
        return self._at == len(self._data)


def _inflated(data: bytes, size: int) -> bytes:
    inflating = zlib.decompressobj()
    try:
        found = inflating.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError("a list of the frame index cannot be inflated") from error
    if len(found) != size or not inflating.eof or inflating.unused_data:
        raise ValueError("a list of the frame index is not as long as it should be")
    return found


def _offsets(first: int, lengths: Sequence[int], gaps: Iterable[int]) -> array[int]:
    offsets, at = array("Q"), first
    each = iter(gaps)
    try:
        for length in lengths:
            offsets.append(at)
            at += length + next(each, ITEM_HEADER)
    except OverflowError as error:
        raise ValueError("the frame index has a fragment that is nowhere") from error
    return offsets


def _sums(numbers: Sequence[int]) -> array[int]:
    starts, at = array("Q", [0]), 0
    for number in numbers:
        at += number
        starts.append(at)
    return starts


def _warnings(reading: _Reading, flags: int) -> tuple[Finding, ...]:
    made: tuple[Finding, ...] = ()
    if flags & _WARNINGS:
        length = reading.number()
        if length > _MAX_TEXT:
            raise ValueError("the frame index has too many warnings")
        texts = reading.take(length).decode().split("\0")
        if len(texts) % 3:
            raise ValueError("the frame index has a warning that is not whole")
        made = tuple(Finding(*texts[at : at + 3]) for at in range(0, len(texts), 3))
    if not reading.at_end():
        raise ValueError("the frame index has something behind its end")
    return made


def _put(body: bytearray, number: int) -> None:
    while number >= 0x80:
        body.append(number & 0x7F | 0x80)
        number >>= 7
    body.append(number)


def _put_list(body: bytearray, numbers: Sequence[int]) -> None:
    width = next(width for width in _WIDTHS if max(numbers, default=0) >> 8 * width == 0)
    values = array(_WIDTHS[width], numbers)
    if _BIG:
        values.byteswap()
    raw = values.tobytes()
    packed = zlib.compress(raw, 1) if len(raw) >= _WORTH else raw
    if len(packed) < len(raw):
        body.append(width | _DEFLATED)
        _put(body, len(packed))
        body += packed
    else:
        body.append(width)
        body += raw
