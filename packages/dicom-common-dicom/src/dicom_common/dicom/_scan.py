"""The one pass over a data set: from bytes to elements, without recursion and inside the limits.

The loop keeps its state in local variables, takes an ordinary element in a dozen steps, and leaves everything else
(sequences, skipped and damaged values) to the branch behind them. Profiles say: a method call an element costs as much
as all the rest.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass

from dicom_common.core import DicomError, PixelData
from dicom_common.dicom._elements import (
    Elements,
    Items,
    Level,
    malformed,
    ordered,
    path_of,
    too_many_elements,
    too_many_items,
    truncated,
)
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import BIG, BULK_VRS, IMPLICIT, Encoding, Kind, heads_for
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._pixel_form import SIGNATURE_BYTES
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._window import Window
from dicom_common.dicom._without_vr import without_vr

__all__ = ["Scanner"]

# The members under names of their own: looking them up in the class costs as much as the question.
_PRIVATE, _CREATOR, _SEQUENCE, _UNKNOWN_SEQUENCE = Kind.PRIVATE, Kind.CREATOR, Kind.SEQUENCE, Kind.UNKNOWN_SEQUENCE
_PIXEL_DATA, _GROUP_LENGTH, _FOREIGN_GROUP = Kind.PIXEL_DATA, Kind.GROUP_LENGTH, Kind.FOREIGN_GROUP
_DELIMITER, _BAD_VR = Kind.DELIMITER, Kind.BAD_VR
_UNDEFINED = 0xFFFFFFFF
_ZEROS = bytes(8)
_MOST_GUESSES = 10_000
"""Elements without a VR, in a data set of explicit VR, and sequences without items, that are read by a guess."""
_FAR = 1 << 62
"""The end of a stream of unknown length."""
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")
_ITEM_STARTS_BIG = (b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")
_EITHER_ITEM_STARTS = (*_ITEM_STARTS, *_ITEM_STARTS_BIG)
_U16 = {False: struct.Struct("<H").unpack_from, True: struct.Struct(">H").unpack_from}
_U32 = {False: struct.Struct("<I").unpack_from, True: struct.Struct(">I").unpack_from}
_TAG = {False: struct.Struct("<HH").unpack_from, True: struct.Struct(">HH").unpack_from}


@dataclass(slots=True)
class Scanner:
    """Scans one data set.

    Args:
        window: the bytes; positions are those of the window.
        settings: the limits.
        findings: where tolerations are noted.
    """

    window: Window
    settings: ReaderSettings
    findings: Findings
    pixel_data: PixelData | None = None
    """The first pixel data of the top level."""
    pixel_start: bytes = b""
    """Its first bytes, where it has a defined length."""
    items_left: int = 0

    def scan(self, encoding: Encoding, start: int) -> Elements:  # noqa: C901, PLR0912, PLR0915  # the hot loop, see above
        """Read the data set that begins at `start`.

        Raises:
            DicomError: it is truncated, malformed or beyond a limit.
        """
        settings, window, add = self.settings, self.window, self.findings.add
        threshold, max_value = settings.bulk_data_threshold, settings.max_element_value
        left, self.items_left, guesses_left = settings.max_elements, settings.max_items, _MOST_GUESSES
        buffer, base = window.buffer, window.base
        have = base + len(buffer)
        heads = heads_for(encoding, threshold, max_value)
        implicit, big = encoding == IMPLICIT, encoding == BIG
        u16, u32 = _U16[big], _U32[big]
        stack: list[Level] = []
        elements: Elements = []
        items: list[Elements] = []
        stop = sequence_stop = _FAR if window.size is None else window.size
        last, disorder, open_item, open_sequence, in_sequence = -1, False, True, False, False
        creators: dict[int, str] = {}
        position = start
        # Two bounds in place of five questions an element. Up to `clear` an element may begin; beyond it something has
        # to be seen to: the end of an item, or of the buffer. Up to `near` a value may end.
        near = min(stop, have)
        clear = near - 12

        while True:
            if position > clear:
                if have - position < 12 and (in_sequence or position < stop):
                    window.move(position, 12)
                    buffer, base = window.buffer, window.base
                    have = base + len(buffer)
                    if have - position < 12:
                        bound = sequence_stop if in_sequence else stop
                        if have < position or have < bound < _FAR:
                            raise truncated(stack, last)
                        if in_sequence:
                            sequence_stop = min(sequence_stop, have)
                        else:
                            stop = min(stop, have)
                        # The last bytes: zeros behind them let every field be unpacked; `have` stays the true end.
                        buffer, base = buffer[position - base :] + bytes(12), position
                if in_sequence:
                    # Between items: the next item, or the end of the sequence.
                    if position < sequence_stop:
                        if have - position < 8:
                            raise truncated(stack, last)
                        group, element = _TAG[big](buffer, position - base)
                        tag = group << 16 | element
                        length = u32(buffer, position - base + 4)[0]
                        if tag == _ITEM:
                            self.items_left -= 1
                            if self.items_left < 0:
                                raise too_many_items(settings)
                            position += 8
                            open_item = length == _UNDEFINED
                            stop = sequence_stop if open_item else position + length
                            if stop > sequence_stop:
                                raise truncated(stack, last)
                            elements, last, disorder, creators, in_sequence = [], -1, False, {}, False
                            near = min(stop, have)
                            clear = near - 12
                            continue
                        if tag == _SEQUENCE_END:
                            position += 8
                            if not open_sequence:
                                add(path_of(stack), Rule.STRAY_DELIMITER, "passed over")
                                continue
                        elif tag == _ITEM_END:
                            add(path_of(stack), Rule.STRAY_DELIMITER, "passed over")
                            position += 8
                            continue
                        elif open_sequence:
                            # An element where only items can be: the sequence was not ended.
                            add(path_of(stack), Rule.NO_SEQUENCE_DELIMITER, "ended the sequence")
                        else:
                            raise malformed(stack, "a sequence holds what is no item")
                    elif open_sequence:
                        add(path_of(stack), Rule.NO_SEQUENCE_DELIMITER, "ended the sequence")
                    done = items
                    (elements, last, disorder, creators, stop, open_item, heads, items, sequence_stop, open_sequence,
                     tag) = stack.pop()  # fmt: skip
                    head = heads.resolved(tag, "SQ")
                    if head.kind is _FOREIGN_GROUP:
                        add([*path_of(stack), tag], Rule.FOREIGN_GROUP, "left out")
                    elif head.kind is not _GROUP_LENGTH:
                        elements.append((head, Items(tag, done)))
                    if heads.encoding != encoding:
                        encoding = heads.encoding
                        implicit, big = encoding == IMPLICIT, encoding == BIG
                        u16, u32 = _U16[big], _U32[big]
                    in_sequence = False
                    near = min(stop, have)
                    clear = near - 12
                    continue
                if position >= stop:
                    if not stack:
                        break
                    if open_item:
                        if position >= have:
                            raise truncated(stack, last)
                        add(path_of(stack), Rule.NO_ITEM_DELIMITER, "ended the item")
                    items.append(ordered(elements, stack, self.findings) if disorder else elements)
                    in_sequence, clear = True, -1
                    continue
                if have - position < 8:
                    # Not even a tag and a length: padding, or a data set that was cut.
                    if stack or not (self.pixel_data or not buffer[: have - position].strip(b"\0")):
                        raise truncated(stack, last)
                    add([], Rule.TRAILING_BYTES, "passed over")
                    break
                near = min(stop, have)
                clear = near - 12

            left -= 1
            if left < 0:
                raise too_many_elements(settings)
            at = position - base
            head, tag, header, whole = heads[buffer[at : at + 8]]
            if whole and position + whole <= near:
                if tag <= last:
                    disorder = True
                last = tag
                elements.append((head, buffer[at + header : at + whole]))
                position += whole
                continue

            # Everything that is not an ordinary value.
            kind = head.kind
            begin = position + header
            length = (u32(buffer, at + header - 4) if implicit or head.long else u16(buffer, at + 6))[0]
            end = begin + length
            if kind is _PRIVATE and length != _UNDEFINED:
                creator = creators.get(tag >> 8, "")
                head = heads.privates.get((creator, tag)) or heads.private(tag, creator, head)
                kind = head.kind
            if kind <= _CREATOR and length <= head.hold and end <= stop and end <= have:
                value = buffer[at + header : at + header + length]
                if big and head.width > 1:
                    value = _swapped(value, head.width)
                if kind is _CREATOR:
                    creators[tag >> 16 << 8 | tag & 0xFF] = value.decode("latin-1").strip(" \0")
                disorder = disorder or tag <= last
                last = tag
                elements.append((head, value))
                position = end
                continue
            if kind is _DELIMITER:
                length = u32(buffer, at + 4)[0]
                position += 8
                if stack and open_item and tag == _ITEM_END:
                    items.append(ordered(elements, stack, self.findings) if disorder else elements)
                    in_sequence, clear = True, -1
                elif stack and open_item and tag in (_ITEM, _SEQUENCE_END):
                    add(path_of(stack), Rule.NO_ITEM_DELIMITER, "ended the item")
                    items.append(ordered(elements, stack, self.findings) if disorder else elements)
                    in_sequence, clear = True, -1
                    position -= 8
                else:
                    add([*path_of(stack), tag], Rule.STRAY_DELIMITER, "passed over")
                continue
            if not tag and not stack and buffer[at : at + 8] == _ZEROS:
                # Padding, in a data set of any length: all of it that is in the buffer at once.
                rest = buffer[at : have - base]
                position += max((len(rest) - len(rest.lstrip(b"\0"))) & ~1, min(8, len(rest)))
                add([], Rule.ZEROS, "passed over")
                continue
            if not stack and self.pixel_data and tag <= last and (end > stop or kind is _BAD_VR or not tag >> 16):
                add([], Rule.TRAILING_BYTES, "passed over")
                break
            if kind is _BAD_VR:
                guesses_left -= 1
                creator, room = creators.get(tag >> 8, ""), stop - position
                guess = None if guesses_left < 0 else without_vr(buffer[at : at + 12], room, head, heads, creator)
                if guess is None:
                    raise malformed(stack, "an element has neither a VR nor a possible length")
                head, header, length, rule = guess
                add([*path_of(stack), tag], rule, "used the dictionary's")
                begin = position + header
                end, kind = begin + length, head.kind

            if length == _UNDEFINED or kind is _SEQUENCE or kind is _UNKNOWN_SEQUENCE:
                fragments = length == _UNDEFINED and (kind is _PIXEL_DATA or head.vr in ("OB", "OW"))
                if length != _UNDEFINED and end > stop:
                    raise truncated(stack, tag)
                if not fragments:
                    unknown = not implicit and (head.vr == "UN" or kind is _UNKNOWN_SEQUENCE)
                    if begin + 8 > have:
                        window.move(begin, 8)
                        buffer, base = window.buffer, window.base
                        have = base + len(buffer)
                    first = buffer[begin - base : begin - base + 4]
                    is_items = first in (_ITEM_STARTS_BIG if big and not unknown else _ITEM_STARTS)
                    if length == 0 or is_items or length == _UNDEFINED:
                        if not is_items and length:
                            if begin < have or first:
                                raise malformed(stack, "a value of undefined length is no sequence")
                            raise truncated(stack, tag)
                        if len(stack) >= settings.max_depth:
                            raise DicomError(
                                Reason.TOO_DEEP,
                                "Sequences are nested deeper than reader.max_depth; raise it if the sender is trusted.",
                            )
                        if head.vr not in ("SQ", "UN"):
                            add([*path_of(stack), tag], Rule.WRONG_VR, "read as a sequence")
                        disorder = disorder or tag <= last
                        last = tag
                        stack.append(
                            Level(elements, last, disorder, creators, stop, open_item, heads, items, sequence_stop,
                                   open_sequence, tag)
                        )  # fmt: skip
                        open_sequence = length == _UNDEFINED
                        sequence_stop = stop if open_sequence else end
                        items, in_sequence, clear, position = [], True, -1, begin
                        if unknown:
                            encoding = IMPLICIT
                            heads = heads_for(encoding, threshold, max_value)
                            implicit, big, u16, u32 = True, False, _U16[False], _U32[False]
                        continue
                    # A defined length that holds no items: some other value under the wrong VR.
                    guesses_left -= 1
                    if guesses_left < 0:
                        raise malformed(stack, "too many sequences hold no items")
                    add([*path_of(stack), tag], Rule.NOT_A_SEQUENCE, "kept as unknown bytes")
                    head = heads.opaque(tag)
                    kind = head.kind
                else:
                    if implicit:  # fragments are bytes (PS3.5 A.4), whatever the dictionary says of native ones
                        head = heads.resolved(tag, "OB")
                    if not stack and kind is _PIXEL_DATA and self.pixel_data is None:
                        self.pixel_data = PixelData(tag, head.vr, begin, None)
                    disorder = disorder or tag <= last
                    last = tag
                    if kind is _FOREIGN_GROUP:
                        add([*path_of(stack), tag], Rule.FOREIGN_GROUP, "left out")
                    elif kind is not _GROUP_LENGTH:
                        elements.append((head.skipped(), Skipped(tag, begin, None)))
                    position = self._skip_fragments(begin, stack, tag, big=big)
                    if position < 0:
                        break
                    buffer, base = window.buffer, window.base
                    have = base + len(buffer)
                    continue

            if end > stop:
                raise truncated(stack, tag)
            if kind is _GROUP_LENGTH:
                position = end
                continue
            if kind is _FOREIGN_GROUP:
                add([*path_of(stack), tag], Rule.FOREIGN_GROUP, "left out")
                position = end
                continue
            disorder = disorder or tag <= last
            last = tag
            if kind is _PIXEL_DATA:
                if not length:
                    elements.append((head, b""))
                else:
                    if not stack and self.pixel_data is None:
                        self.pixel_data = PixelData(tag, head.vr, begin, length)
                        window.move(begin, min(length, SIGNATURE_BYTES))
                        buffer, base = window.buffer, window.base
                        have = base + len(buffer)
                        self.pixel_start = buffer[begin - base : min(end, begin + SIGNATURE_BYTES) - base]
                    elements.append((head.skipped(), Skipped(tag, begin, length)))
                position = end
                continue
            if length > head.hold:
                if head.vr not in BULK_VRS:
                    add([*path_of(stack), tag], Rule.VALUE_TOO_LONG, "left out")
                elements.append((head.skipped(), Skipped(tag, begin, length)))
                position = end
                continue
            if end > have:
                window.move(begin, length)
                buffer, base = window.buffer, window.base
                have = base + len(buffer)
                if end > have:
                    raise truncated(stack, tag)
            value = buffer[begin - base : end - base]
            if big and head.width > 1:
                value = _swapped(value, head.width)
            if kind is _CREATOR:
                creators[tag >> 16 << 8 | tag & 0xFF] = value.decode("latin-1").strip(" \0")
            elements.append((head, value))
            position = end

        window.move(position, 0)
        if window.base + len(window.buffer) < position:
            raise truncated(stack, last)
        return ordered(elements, stack, self.findings) if disorder else elements

    def _skip_fragments(self, position: int, stack: list[Level], tag: int, *, big: bool) -> int:
        """Pass over the fragments of a value of undefined length (PS3.5 A.4); give the position behind them.

        -1 where they do not end, and that is accepted: what follows is of no known structure.
        """
        window = self.window
        limit = _FAR if window.size is None else window.size
        begin = position
        while True:
            window.move(position, 8)
            at = position - window.base
            if at < 0 or at + 8 > len(window.buffer):
                break
            if position == begin and window.buffer[at : at + 4] in _EITHER_ITEM_STARTS:
                big = window.buffer[at] == 0xFF
            group, element = _TAG[big](window.buffer, at)
            length = _U32[big](window.buffer, at + 4)[0]
            if (group, element) == (0xFFFE, 0xE0DD):
                return position + 8
            if (group, element) != (0xFFFE, 0xE000) or length == _UNDEFINED:
                break
            self.items_left -= 1
            if self.items_left < 0:
                raise too_many_items(self.settings)
            if position + 8 + length > limit:
                break
            position += 8 + length
        if stack or self.settings.truncated_pixel_data == "refuse":
            raise truncated(stack, tag)
        self.findings.add([*path_of(stack), tag], Rule.NO_SEQUENCE_DELIMITER, "took what is there")
        return -1


def _swapped(value: bytes, width: int) -> bytes:
    """Swap a big-endian value to little endian; one of a wrong length is left to the encoder, which will refuse it."""
    if len(value) % width:
        return value
    words = array({2: "H", 4: "I", 8: "Q"}[width], value)
    words.byteswap()
    return words.tobytes()
