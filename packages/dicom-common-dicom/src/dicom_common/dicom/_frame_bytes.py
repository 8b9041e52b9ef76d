"""Frame indexes as bytes, which an index keeps: a few for native pixel data, about three for each fragment else.

One byte is the version, one has flags, then come numbers of variable length, and for fragments their lengths: 32 or 64
bits each, little endian, which zlib makes small. Fragments mostly lie one behind the other, each behind the header of
its item, and each is a frame: then nothing else is written of them.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Final, Self

from dicom_common.core import Finding
from dicom_common.dicom._fragments import ITEM_HEADER, Fragments

__all__ = ["KeptIndex"]

_VERSION: Final = 1
_ENCAPSULATED, _INFLATED, _WARNINGS, _COMPRESSED, _SIDE_BY_SIDE, _FRAME_EACH, _WIDE = (1 << bit for bit in range(7))
_MOST: Final = 1 << 20
"""Fragments; `index_frames` finds up to a million unless it is asked for more."""
_MOST_BYTES: Final = 32 * _MOST
_WORTH: Final = 64
"""Bytes from which on they are compressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptIndex:
    """What a frame index consists of, and how that is written."""

    count: int
    encapsulated: bool
    inflated: bool
    """The offsets count bytes of the inflated data set (PS3.5 A.5): range reads of the object as stored are useless."""
    warnings: tuple[Finding, ...] = ()
    _start: int = 0
    _bits: int = 0
    _fragments: Fragments | None = field(default=None, repr=False)
    _starts: Sequence[int] = field(default=(), repr=False)

    def to_bytes(self) -> bytes:
        """Write it in a form that can be kept: about ten bytes for native pixel data, 2 to 4 for each fragment else.

        Raises:
            ValueError: it has more than 1,048,576 fragments.
        """
        flags = _ENCAPSULATED * self.encapsulated | _INFLATED * self.inflated
        found = self._fragments
        if found is None:
            body = _numbers(self.count, self._start, self._bits)
        else:
            if len(found.offsets) > _MOST:
                raise ValueError(f"a frame index of more than {_MOST} fragments is not kept")
            body, flags = _of_fragments(found, self._starts, flags)
        if self.warnings:
            text = json.dumps(self.warnings, ensure_ascii=False).encode()
            body, flags = _numbers(len(text)) + text + body, flags | _WARNINGS
        if len(body) >= _WORTH and len(small := zlib.compress(body)) < len(body):
            body, flags = small, flags | _COMPRESSED
        return bytes((_VERSION, flags)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` has written.

        Raises:
            ValueError: it is damaged, or of another version; find the frames again.
        """
        if len(data) < 2 or data[0] != _VERSION:
            raise ValueError("these bytes are not a frame index of a version that this code reads")
        try:
            return cls._from(data[1], data[2:])
        except (OverflowError, TypeError):
            raise ValueError("a frame index is damaged") from None

    @classmethod
    def _from(cls, flags: int, body: bytes) -> Self:
        source = _Source(_inflated(body) if flags & _COMPRESSED else body)
        inflated, warnings = bool(flags & _INFLATED), tuple[Finding, ...]()
        if flags & _WARNINGS:
            warnings = tuple(Finding(*one) for one in json.loads(source.take(source.number())))
        if flags & _ENCAPSULATED:
            fragments, starts = _fragments_of(source, flags)
            made = cls(
                count=len(starts) - 1, encapsulated=True, inflated=inflated, warnings=warnings, _fragments=fragments,
                _starts=starts,
            )  # fmt: skip
        else:
            made = cls(
                count=source.number(), encapsulated=False, inflated=inflated, warnings=warnings,
                _start=source.number(), _bits=source.number(),
            )  # fmt: skip
        source.finish()
        return made


def _of_fragments(found: Fragments, starts: Sequence[int], flags: int) -> tuple[bytes, int]:
    count = len(found.offsets)
    wide = any(length >> 32 for length in found.lengths)
    flags |= _WIDE * wide
    body = _numbers(count) + _array("Q" if wide else "I", found.lengths)
    ends = map(int.__add__, found.offsets, found.lengths)
    if count and all(end + ITEM_HEADER == offset for end, offset in zip(ends, found.offsets[1:], strict=False)):
        flags |= _SIDE_BY_SIDE
        body += _numbers(found.offsets[0])
    else:
        body += _array("Q", found.offsets)
    if len(starts) == count + 1 and all(map(int.__eq__, starts, range(count + 1))):
        flags |= _FRAME_EACH
    else:
        body += _numbers(len(starts)) + _array("I", starts)
    return body, flags


def _fragments_of(source: _Source, flags: int) -> tuple[Fragments, Sequence[int]]:
    count = source.number()
    if count > _MOST:
        raise ValueError("a frame index has more fragments than are kept")
    lengths = array("Q", source.array("Q" if flags & _WIDE else "I", count))
    if flags & _SIDE_BY_SIDE:
        first = source.number()
        behind = accumulate((length + ITEM_HEADER for length in lengths[:-1]), initial=first)
        offsets = array("Q", behind)
    else:
        offsets = source.array("Q", count)
    starts: Sequence[int] = range(count + 1)
    if not flags & _FRAME_EACH:
        starts = source.array("I", source.number())
        if not starts or starts[-1] > count or any(one > other for one, other in pairwise(starts)):
            raise ValueError("the frames of a frame index are not made of its fragments")
    return Fragments(offsets, lengths), starts


def _numbers(*numbers: int) -> bytes:
    return bytes(byte for number in numbers for byte in _number(number))


def _number(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def _array(form: str, numbers: Sequence[int]) -> bytes:
    made = array(form, numbers)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, _MOST_BYTES)
    except zlib.error:
        raise ValueError("a frame index is damaged") from None
    if not inflater.eof or inflater.unused_data:
        raise ValueError("a frame index is cut off, or larger than those that are kept")
    return body


class _Source:
    """Bytes that are read from their beginning."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        part = self._data[self._at : self._at + length]
        if len(part) < length:
            raise ValueError("a frame index is cut off")
        self._at += length
        return part

    def number(self) -> int:
        number, shift = 0, 0
        while shift < 64:
            (byte,) = self.take(1)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
        raise ValueError("a frame index is damaged")

    def array(self, form: str, count: int) -> array[int]:
        made = array(form)
        made.frombytes(self.take(count * made.itemsize))
        if sys.byteorder == "big":
            made.byteswap()
        return made

    def finish(self) -> None:
        if self._at != len(self._data):
            raise ValueError("behind a frame index there is something else")
