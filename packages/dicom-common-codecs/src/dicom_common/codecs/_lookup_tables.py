"""Lookup tables of DICOM: modality and VOI LUTs (PS3.3 C.11.1, C.11.2), and the palettes of colour (C.7.9)."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from dicom_common.codecs._attributes import Attributes, numbers, word_bytes
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError

__all__ = ["LookupTable"]


def _unusable(what: str) -> DicomError:
    return DicomError(CodecReason.UNDECODABLE, f"The {what} cannot be read: ask the sender to correct it.")


class LookupTable(NamedTuple):
    """The entries, the value that the first of them is for, and how many bits they have."""

    entries: npt.NDArray[np.uint16]
    first: int
    bits: int

    @classmethod
    def read(cls, attributes: Attributes, descriptor: str, data: str, *, signed: bool, what: str) -> Self:
        """Read a table.

        Args:
            attributes: what holds it.
            descriptor: the tag of its descriptor (PS3.3 C.11.1.1).
            data: the tag of its data.
            signed: whether the values that it maps may be negative.
            what: what it is, for messages.

        Raises:
            DicomError: reason `undecodable-frame`: it cannot be read.
        """
        found = _description(attributes, descriptor, signed=signed)
        words = word_bytes(attributes, data)
        if found is None or words is None:
            raise _unusable(what)
        count, first, bits = found
        if len(words) >= 2 * count:
            entries = np.frombuffer(words, "<u2", count)
        elif bits <= 8 and len(words) >= count:
            entries = np.frombuffer(words, np.uint8, count).astype(np.uint16)
        else:
            raise _unusable(what)
        return cls(entries & np.uint16((1 << bits) - 1), first, bits)

    @classmethod
    def read_segmented(cls, attributes: Attributes, descriptor: str, data: str, *, signed: bool, what: str) -> Self:
        """Read a table that is written in segments (PS3.3 C.7.9.2).

        Raises:
            DicomError: reason `undecodable-frame`: it cannot be read.
        """
        found = _description(attributes, descriptor, signed=signed)
        words = word_bytes(attributes, data)
        if found is None or words is None:
            raise _unusable(what)
        count, first, bits = found
        segments = np.frombuffer(words, "<u2" if bits > 8 or len(words) % 2 == 0 else np.uint8)
        try:
            entries = _expanded(segments.tolist(), count)
        except (IndexError, ValueError) as error:
            raise _unusable(what) from error
        return cls(np.array(entries, np.uint16), first, bits)

    def apply(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
        """Map values; those before the first entry get the first, those behind the last the last."""
        at = np.clip(values - self.first, 0, len(self.entries) - 1).astype(np.int64)
        found: npt.NDArray[np.uint16] = self.entries[at]
        return found


def _description(attributes: Attributes, tag: str, *, signed: bool) -> tuple[int, int, int] | None:
    told = numbers(attributes, tag)
    if len(told) != 3:
        return None
    count, first, bits = (int(value) for value in told)
    if signed and first > 32767:
        first -= 65536
    return ((count & 0xFFFF) or 65536, first, bits) if 1 <= bits <= 16 else None


def _expanded(words: list[int], count: int) -> list[int]:
    """Write the segments out: discrete, linear, and indirect ones, which repeat segments that came before."""
    entries: list[int] = []
    position = 0
    while position < len(words) and len(entries) < count:
        position = _segment(words, position, entries, count, may_repeat=True)
    if len(entries) != count:
        raise ValueError("the segments are not as many entries as described")
    return entries


def _segment(words: list[int], position: int, entries: list[int], count: int, *, may_repeat: bool) -> int:
    """Write one segment out, and give the position of the next."""
    kind, length = words[position], words[position + 1]
    if len(entries) + (length if kind < 2 else 0) > count:
        raise ValueError("a segment is too long")
    if kind == 0:
        values = words[position + 2 : position + 2 + length]
        if len(values) < length:
            raise ValueError("a segment is cut off")
        entries += values
        return position + 2 + length
    if kind == 1:
        begin, end = entries[-1], words[position + 2]
        entries += [round(begin + (end - begin) * step / length) for step in range(1, length + 1)]
        return position + 3
    if kind == 2 and may_repeat:
        at = (words[position + 2] | words[position + 3] << 16) // 2
        for _ in range(length):
            if at >= position:
                raise ValueError("a segment repeats what comes behind it")
            at = _segment(words, at, entries, count, may_repeat=False)
        return position + 4
    raise ValueError("a segment is of no known kind")
