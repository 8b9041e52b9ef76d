"""Elements that are not ordinary values: what is passed over, what is a sequence, and what is damaged.

The loop of the scanner asks here what it needs too seldom to have it among its own steps. The answers are where to go
on; findings and elements that follow from them are noted here.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.dicom._elements import Elements, malformed, path_of, too_large, truncated
from dicom_common.dicom._heads import BULK_VRS, IMPLICIT, SWAPPED, Encoding, Head, Heads, Kind
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._lengths import other_length
from dicom_common.dicom._look_ahead import FAR
from dicom_common.dicom._pixel_place import PixelPlace
from dicom_common.dicom._recovery import begins, behind_zeros, item_encoding
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._sequences import Sequences
from dicom_common.dicom._without_vr import Guess, without_vr

__all__ = ["DATA_SET_ENDS", "Irregular", "with_creator"]

DATA_SET_ENDS = -1
"""In place of a position: what follows is not of the data set."""
_UNDEFINED = 0xFFFFFFFF
_ZEROS = bytes(8)
_NO_LENGTH = b"\xff\xff\xff\xff"
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")


def with_creator(creators: dict[int, str], tag: int, value: bytes) -> dict[int, str]:
    """Give the private creators of a data set or item with one more (PS3.5 7.8.1), by group and block."""
    creators = creators or {}
    creators[tag >> 16 << 8 | tag & 0xFF] = value.decode("latin-1").strip(" \0")
    return creators


@dataclass(slots=True)
class Irregular:
    """What is asked of the elements of one data set.

    Args:
        sequences: those that are open.
        pixels: the pixel data so far.
    """

    sequences: Sequences
    pixels: PixelPlace

    def have_more(self, position: int, limit: int, last: int) -> tuple[bytes, int, int] | None:
        """Have a whole header at `position`, or all there is of the container; None where the data set ends there.

        Returns:
            The buffer, its position, and the position behind it.

        Raises:
            DicomError: the limit on what is kept is met, or the bytes end within an element.
        """
        sequences, window = self.sequences, self.sequences.window
        window.move(position, 12)
        buffer, base = window.buffer, window.base
        have = base + len(buffer)
        if have > limit:
            have = limit
            if have - position < 12:
                raise too_large()
        if have - position < 12:
            if have < position and not sequences.stack and self.pixels.ends_without_pad(window, position):
                return None
            if have < position or have < sequences.stop < FAR:
                # No container ends before the data does: there is nowhere to go on.
                raise truncated(sequences.stack, last).final()
            sequences.stop = min(sequences.stop, have)
            # Zeros behind the last bytes let every field be unpacked; `have` stays the true end.
            buffer, base = buffer[position - base :] + bytes(12), position
        return buffer, base, have

    def instead(  # noqa: PLR0913, PLR0917  # the state of the loop
        self, position: int, start: bytes, head: Head, elements: Elements, last: int, encoding: Encoding
    ) -> tuple[int | None, int]:
        """Find where to go on instead of at `position`, where no element begins that is known to be one.

        The length of the element before it may be wrong, and is corrected then; or padding begins there.

        Args:
            position: where an element should begin.
            start: the eight bytes there.
            head: what they say.
            elements: those before it.
            last: the tag of the last of them.
            encoding: of the data set or item.

        Returns:
            The position, `DATA_SET_ENDS`, or None if an element is to be read there all the same; and how many bytes
            are passed over.

        Raises:
            DicomError: zeros are followed by what is no element.
        """
        is_element = head.kind is not Kind.BAD_VR and head.tag > 0
        if elements and start[4:] != _NO_LENGTH and (encoding == IMPLICIT or not is_element):
            end = self._corrected(position, elements, encoding)
            if end is not None:
                return end, 0
        if is_element and head.tag > last:
            return None, 0
        behind = self._behind_padding(position, start, last, encoding)
        return behind, 0 if behind is None else behind - position

    def _corrected(self, position: int, elements: Elements, encoding: Encoding) -> int | None:
        sequences = self.sequences
        inside = sequences.inside(encoding)
        other = sequences.guess(other_length, position, elements[-2], elements[-1], inside)
        if other is None:
            return None
        path = [*path_of(sequences.stack), elements[-2].tag]
        sequences.findings.add(path, Rule.ELEMENT_LENGTH, "went by the elements behind it")
        elements[-1] = other.value
        return int(other.end)

    def _behind_padding(self, position: int, start: bytes, last: int, encoding: Encoding) -> int | None:
        sequences, findings = self.sequences, self.sequences.findings
        if start == _ZEROS:
            behind = sequences.guess(behind_zeros, position, last, sequences.inside(encoding))
            if behind is not None:
                findings.add(path_of(sequences.stack), Rule.ZEROS, "passed over")
                return int(behind)
            if sequences.stack or not self.pixels.data:
                raise malformed(sequences.stack, "zeros are followed by what is not an element")
        elif sequences.stack or not self.pixels.data or sequences.guess(begins, position, encoding):
            return None
        # Behind the pixel data: bytes that are not elements at all.
        findings.add([], Rule.TRAILING_BYTES, "passed over")
        return DATA_SET_ENDS

    def guessed(self, position: int, head: Head, heads: Heads, creator: str) -> Guess:
        """Tell how an element is meant whose VR the standard does not define.

        Raises:
            DicomError: no way of reading it fits what follows.
        """
        sequences = self.sequences
        guess: Guess | None = sequences.guess(
            without_vr, position, sequences.inside(heads.encoding), head, heads, creator
        )
        if guess is None:
            raise malformed(sequences.stack, "an element has neither a VR nor a possible length")
        sequences.findings.add([*path_of(sequences.stack), head.tag], guess.rule, "used the dictionary's")
        return guess

    def holds_items(self, head: Head, begin: int, length: int) -> bool:
        """Tell whether the value at `begin`, of a sequence or of undefined length, is items.

        Raises:
            DicomError: it has to be, and is not.
        """
        sequences, window = self.sequences, self.sequences.window
        window.move(begin, 8)
        at = begin - window.base
        path = [*path_of(sequences.stack), head.tag]
        if length and window.buffer[at : at + 4] not in _ITEM_STARTS:
            if length != _UNDEFINED:
                # Some other value under the wrong VR.
                sequences.findings.add(path, Rule.NOT_A_SEQUENCE, "kept as unknown bytes")
                return False
            if begin < window.base + len(window.buffer):
                raise malformed(sequences.stack, "a value of undefined length is not a sequence")
            raise truncated(sequences.stack, head.tag)
        if head.vr not in ("SQ", "UN"):
            sequences.findings.add(path, Rule.WRONG_VR, "read as a sequence")
        return True

    def items_encoding(self, begin: int, end: int | None) -> Encoding:
        """Tell how the items are written of the sequence under VR UN that was entered."""
        encoding = item_encoding(self.sequences.window, begin, end or FAR)
        if encoding != IMPLICIT:
            path = path_of(self.sequences.stack)
            self.sequences.findings.add(path, Rule.UNKNOWN_EXPLICIT, "read in explicit VR")
        return encoding

    def behind_fragments(self, elements: Elements, head: Head, begin: int, *, big: bool) -> int:
        """Take a value of undefined length that is fragments; give the position behind it, or `DATA_SET_ENDS`."""
        sequences = self.sequences
        if head.kind is Kind.PIXEL_DATA and not sequences.stack:
            self.pixels.met(sequences.window, head, begin, None)
        self._keep_place(elements, head, Skipped(head.tag, begin, None))
        return sequences.behind_fragments(begin, head.tag, big=big)

    def pass_over(self, elements: Elements, head: Head, begin: int, length: int) -> None:
        """Take an element whose value is not held."""
        sequences = self.sequences
        if head.kind is Kind.PIXEL_DATA:
            if not length:
                elements += head, b""
                return
            if not sequences.stack:
                self.pixels.met(sequences.window, head, begin, length)
        elif head.kind <= Kind.CREATOR and head.vr not in BULK_VRS:
            path = [*path_of(sequences.stack), head.tag]
            sequences.findings.add(path, Rule.VALUE_TOO_LONG, "left out")
        self._keep_place(elements, head, Skipped(head.tag, begin, length))

    def _keep_place(self, elements: Elements, head: Head, place: Skipped) -> None:
        if head.kind is Kind.FOREIGN_GROUP:
            path = [*path_of(self.sequences.stack), head.tag]
            self.sequences.findings.add(path, Rule.FOREIGN_GROUP, "left out")
        elif head.kind is not Kind.GROUP_LENGTH:
            elements += head.skipped(), place

    def delimiter(self, tag: int) -> int:
        """Give the tag of an item or delimiter where an element should be, whatever its byte order."""
        if tag in SWAPPED:
            path = [*path_of(self.sequences.stack), SWAPPED[tag]]
            self.sequences.findings.add(path, Rule.BYTE_ORDER, "taken as one")
            return SWAPPED[tag]
        return tag
