"""The one pass over a data set: from bytes to elements, without recursion and inside the limits.

The loop keeps its state in local variables, takes an ordinary element in a dozen steps, and leaves everything else
(sequences, skipped and damaged values) to the branch behind them. Profiles say: a method call an element costs as much
as all the rest.

It never asks how large the data set is: what it does depends only on the bytes that it came by and on those that
`look_ahead` shows. So it says the same of a stream, whose size nothing tells, and of bytes in memory.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import Any

from dicom_common.core import PixelData
from dicom_common.dicom._elements import (
    Damage,
    Elements,
    Items,
    Level,
    malformed,
    ordered,
    path_of,
    too_deep,
    too_large,
    too_many_elements,
    too_many_items,
    truncated,
)
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import BIG, BULK_VRS, IMPLICIT, SWAPPED, Encoding, Kind, heads_for
from dicom_common.dicom._identity import refuse_two_identities
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._look_ahead import FAR, PLAUSIBLE, Inside, chain, look
from dicom_common.dicom._pixel_form import SIGNATURE_BYTES
from dicom_common.dicom._recovery import behind_zeros, ends_before, goes_on, item_encoding, opaque, rescue
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
"""How often a data set is looked ahead in because it is damaged."""
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")
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
    lacks_pad: bool = False
    """Whether the object ends one byte before this pixel data does; that byte is not counted in its length."""
    items_left: int = 0
    guesses_left: int = _MOST_GUESSES
    mended: bool = False
    """Whether the end of an item or sequence was found without its delimiter."""

    def scan(self, encoding: Encoding, start: int) -> Elements:
        """Read the data set that begins at `start`.

        Raises:
            DicomError: it is truncated, malformed, beyond a limit, or may be parts of two instances.
        """
        try:
            return self._scan(encoding, start)
        except Damage as damage:
            raise damage.final() from None

    def _scan(self, encoding: Encoding, start: int) -> Elements:  # noqa: C901, PLR0912, PLR0915  # the hot loop, see above
        settings, window, add = self.settings, self.window, self.findings.add
        threshold, max_value = settings.bulk_data_threshold, settings.max_element_value
        left, self.items_left = settings.max_elements, settings.max_items
        # What is parsed and kept counts; `limit` moves on with what is passed over.
        limit = start + settings.max_header
        buffer, base = window.buffer, window.base
        have = min(base + len(buffer), limit)
        heads = heads_for(encoding, threshold, max_value)
        implicit, big = encoding == IMPLICIT, encoding == BIG
        u16, u32 = _U16[big], _U32[big]
        stack: list[Level] = []
        elements: Elements = []
        items: list[Elements] = []
        stop = sequence_stop = FAR
        last, disorder, open_item, open_sequence, in_sequence, spoiled = -1, False, True, False, False, False
        creators: dict[int, str] = {}
        position = sequence_begin = start
        # Two bounds in place of five questions an element. Up to `clear` an element may begin; beyond it something has
        # to be seen to: the end of an item, or of the buffer. Up to `near` a value may end.
        near = min(stop, have)
        clear = near - 12

        while True:
            try:
                while True:
                    if position > clear:
                        if have - position < 12 and (in_sequence or position < stop):
                            window.move(position, 12)
                            buffer, base = window.buffer, window.base
                            have = base + len(buffer)
                            if have > limit:
                                have = limit
                                if have - position < 12:
                                    raise too_large()
                            if have - position < 12:
                                bound = sequence_stop if in_sequence else stop
                                if have < position and not stack and self._lacks_pad(position):
                                    position = have
                                    break
                                if have < position or have < bound < FAR:
                                    # No container ends before the data does: there is nowhere to go on.
                                    raise truncated(stack, last).final()
                                if in_sequence:
                                    sequence_stop = min(sequence_stop, have)
                                else:
                                    stop = min(stop, have)
                                # The last bytes: zeros behind them let every field be unpacked; `have` stays the true
                                # end.
                                buffer, base = buffer[position - base :] + bytes(12), position
                        if in_sequence:
                            # Between items: the next item, or the end of the sequence.
                            if position < sequence_stop:
                                if have - position < 8:
                                    raise truncated(stack, last)
                                group, element = _TAG[big](buffer, position - base)
                                tag = group << 16 | element
                                length = u32(buffer, position - base + 4)[0]
                                if tag in SWAPPED:
                                    add([*path_of(stack), SWAPPED[tag]], Rule.BYTE_ORDER, "taken as one")
                                    tag, length = SWAPPED[tag], int.from_bytes(length.to_bytes(4, "little"), "big")
                                if tag == _ITEM:
                                    self.items_left -= 1
                                    if self.items_left < 0:
                                        raise too_many_items(settings)
                                    begin = position + 8
                                    open_item = length == _UNDEFINED
                                    stop = sequence_stop if open_item else begin + length
                                    if stop > sequence_stop:
                                        inside = Inside(encoding, stop, open_item, nested=True)
                                        if open_sequence or not self._guess(
                                            goes_on, begin, stop, stack, sequence_stop, inside, -1
                                        ):
                                            raise truncated(stack, last)
                                        add(path_of(stack), Rule.SEQUENCE_LENGTH, "went by the items")
                                        sequence_stop, open_sequence = stack[-1].stop, True
                                        buffer, base = window.buffer, window.base
                                        have = min(base + len(buffer), limit)
                                    position = begin
                                    elements, last, disorder, creators, in_sequence = [], -1, False, {}, False
                                    near = min(stop, have)
                                    clear = near - 12
                                    continue
                                if tag == _SEQUENCE_END:
                                    position += 8
                                    if not open_sequence:
                                        self._stray(stack, [])
                                        continue
                                elif tag == _ITEM_END:
                                    self._stray(stack, [])
                                    position += 8
                                    continue
                                elif open_sequence and self._guess(ends_before, position, stack):
                                    # An element where only items can be: the sequence was not ended.
                                    if stack[-1].tag != _ITEM:
                                        add(path_of(stack), Rule.NO_SEQUENCE_DELIMITER, "ended the sequence")
                                        self.mended = True
                                    buffer, base = window.buffer, window.base
                                    have = min(base + len(buffer), limit)
                                else:
                                    raise malformed(stack, "a sequence holds what is not an item")
                            elif open_sequence and stack[-1].tag != _ITEM:
                                add(path_of(stack), Rule.NO_SEQUENCE_DELIMITER, "ended the sequence")
                            done, value_begin, unreadable = items, sequence_begin, spoiled
                            path = path_of(stack)
                            (elements, last, disorder, creators, stop, open_item, heads, items, sequence_stop,
                             open_sequence, sequence_begin, spoiled, tag) = stack.pop()  # fmt: skip
                            head = heads.resolved(tag, "SQ")
                            if head.kind is _FOREIGN_GROUP:
                                add(path, Rule.FOREIGN_GROUP, "left out")
                            elif tag == _ITEM or head.kind is _GROUP_LENGTH:
                                pass  # items that belong to nothing; a group length that is one of nothing
                            elif unreadable:
                                elements.append(opaque(window, heads.opaque(tag), value_begin, position))
                            else:
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
                                    window.move(position, 1)
                                    buffer, base = window.buffer, window.base
                                    have = min(base + len(buffer), limit)
                                    if position >= have:
                                        raise truncated(stack, last)
                                inside = Inside(encoding, stop, open_item, nested=True)
                                if not open_sequence and self._guess(goes_on, position, FAR, stack, stop, inside, last):
                                    add(path_of(stack), Rule.SEQUENCE_LENGTH, "went by the items")
                                    stop = sequence_stop = stack[-1].stop
                                    open_sequence = True
                                    buffer, base = window.buffer, window.base
                                    have = min(base + len(buffer), limit)
                                    near = min(stop, have)
                                    clear = near - 12
                                    continue
                                buffer, base = window.buffer, window.base
                                have = min(base + len(buffer), limit)
                                add(path_of(stack), Rule.NO_ITEM_DELIMITER, "ended the item")
                                self.mended = True
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
                        if tag in SWAPPED:
                            add([*path_of(stack), SWAPPED[tag]], Rule.BYTE_ORDER, "taken as one")
                            tag = SWAPPED[tag]
                        if stack and open_item and tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
                            if tag == _ITEM_END:
                                position += 8
                            else:
                                add(path_of(stack), Rule.NO_ITEM_DELIMITER, "ended the item")
                                self.mended = True
                            items.append(ordered(elements, stack, self.findings) if disorder else elements)
                        elif tag == _ITEM:
                            # A sequence that lost its own tag: what it holds is of nothing that is known.
                            if len(stack) >= settings.max_depth:
                                raise too_deep()
                            add([*path_of(stack), tag], Rule.STRAY_DELIMITER, "left out with what it holds")
                            stack.append(
                                Level(elements, last, disorder, creators, stop, open_item, heads, items, sequence_stop,
                                      open_sequence, sequence_begin, spoiled, tag)
                            )  # fmt: skip
                            sequence_begin, sequence_stop, open_sequence, spoiled, items = (
                                position,
                                stop,
                                True,
                                False,
                                [],
                            )
                        else:
                            self._stray(stack, [tag])
                            position += 8
                            continue
                        in_sequence, clear = True, -1
                        continue
                    if not tag and buffer[at : at + 8] == _ZEROS:
                        inside = Inside(encoding, stop, open_item, nested=bool(stack))
                        ahead = look(window, position)
                        buffer, base = window.buffer, window.base
                        have = min(base + len(buffer), limit)
                        behind = behind_zeros(ahead, position, last, inside)
                        if behind is not None:
                            add(path_of(stack), Rule.ZEROS, "passed over")
                            limit += behind - position
                            position, clear = behind, -1
                            continue
                        if stack or not self.pixel_data:
                            raise malformed(stack, "zeros are followed by what is not an element")
                        add([], Rule.TRAILING_BYTES, "passed over")
                        break
                    if not stack and self.pixel_data and tag <= last:
                        # Behind the pixel data: elements in disorder, or bytes that are not elements at all.
                        plausible = self._guess(_begins, position, Inside(encoding, FAR, open_item=False, nested=False))
                        buffer, base = window.buffer, window.base
                        have = min(base + len(buffer), limit)
                        if not plausible:
                            add([], Rule.TRAILING_BYTES, "passed over")
                            break
                        at = position - base
                    if kind is _BAD_VR:
                        inside = Inside(encoding, stop, open_item, nested=bool(stack))
                        guess = self._guess(without_vr, position, inside, head, heads, creators.get(tag >> 8, ""))
                        buffer, base = window.buffer, window.base
                        have = min(base + len(buffer), limit)
                        if guess is None:
                            raise malformed(stack, "an element has neither a VR nor a possible length")
                        head, header, length, rule = guess
                        add([*path_of(stack), tag], rule, "used the dictionary's")
                        begin = position + header
                        end, kind = begin + length, head.kind
                    if end > stop and length != _UNDEFINED:
                        inside = Inside(encoding, stop, open_item, nested=True)
                        if not (stack and open_item and not open_sequence) or not self._guess(
                            goes_on, position, FAR, stack, stop, inside, last
                        ):
                            raise truncated(stack, tag)
                        add(path_of(stack), Rule.SEQUENCE_LENGTH, "went by the items")
                        stop = sequence_stop = stack[-1].stop
                        open_sequence, clear = True, -1
                        buffer, base = window.buffer, window.base
                        have = min(base + len(buffer), limit)
                        continue

                    if length == _UNDEFINED or kind is _SEQUENCE or kind is _UNKNOWN_SEQUENCE:
                        fragments = length == _UNDEFINED and (kind is _PIXEL_DATA or head.vr in ("OB", "OW"))
                        if not fragments:
                            unknown = not implicit and (head.vr == "UN" or kind is _UNKNOWN_SEQUENCE)
                            if begin + 8 > have:
                                window.move(begin, 8)
                                buffer, base = window.buffer, window.base
                                have = min(base + len(buffer), limit)
                            is_items = buffer[begin - base : begin - base + 4] in _ITEM_STARTS
                            if length == 0 or is_items or length == _UNDEFINED:
                                if not is_items and length:
                                    if begin < have:
                                        raise malformed(stack, "a value of undefined length is not a sequence")
                                    raise truncated(stack, tag)
                                if len(stack) >= settings.max_depth:
                                    raise too_deep()
                                if head.vr not in ("SQ", "UN"):
                                    add([*path_of(stack), tag], Rule.WRONG_VR, "read as a sequence")
                                disorder = disorder or tag <= last
                                last = tag
                                stack.append(
                                    Level(elements, last, disorder, creators, stop, open_item, heads, items,
                                          sequence_stop, open_sequence, sequence_begin, spoiled, tag)
                                )  # fmt: skip
                                open_sequence = length == _UNDEFINED
                                sequence_stop = stop if open_sequence else end
                                items, in_sequence, clear, position = [], True, -1, begin
                                sequence_begin, spoiled = begin, False
                                if unknown:
                                    encoding = item_encoding(window, begin, FAR if open_sequence else end)
                                    if encoding != IMPLICIT:
                                        add(path_of(stack), Rule.UNKNOWN_EXPLICIT, "read in explicit VR")
                                    heads = heads_for(encoding, threshold, max_value)
                                    implicit, big, u16, u32 = encoding == IMPLICIT, False, _U16[False], _U32[False]
                                    buffer, base = window.buffer, window.base
                                    have = min(base + len(buffer), limit)
                                continue
                            # A defined length that holds no items: some other value under the wrong VR.
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
                            limit += position - begin
                            buffer, base = window.buffer, window.base
                            have = min(base + len(buffer), limit)
                            continue

                    if kind is _GROUP_LENGTH:
                        limit += length
                        position = end
                        continue
                    if kind is _FOREIGN_GROUP:
                        add([*path_of(stack), tag], Rule.FOREIGN_GROUP, "left out")
                        limit += length
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
                                have = min(base + len(buffer), limit)
                                self.pixel_start = buffer[begin - base : min(end, begin + SIGNATURE_BYTES) - base]
                            elements.append((head.skipped(), Skipped(tag, begin, length)))
                        limit += length
                        position = end
                        continue
                    if length > head.hold:
                        if head.vr not in BULK_VRS:
                            add([*path_of(stack), tag], Rule.VALUE_TOO_LONG, "left out")
                        elements.append((head.skipped(), Skipped(tag, begin, length)))
                        limit += length
                        position = end
                        continue
                    if end > have:
                        window.move(begin, length)
                        buffer, base = window.buffer, window.base
                        have = min(base + len(buffer), limit)
                        if end > have:
                            raise too_large() if have == limit else truncated(stack, tag)
                    value = buffer[begin - base : end - base]
                    if big and head.width > 1:
                        value = _swapped(value, head.width)
                    if kind is _CREATOR:
                        creators[tag >> 16 << 8 | tag & 0xFF] = value.decode("latin-1").strip(" \0")
                    elements.append((head, value))
                    position = end
                break
            except Damage:
                place = rescue(
                    stack,
                    position,
                    stop=stop,
                    open_item=open_item,
                    in_sequence=in_sequence,
                    sequence_stop=sequence_stop,
                    open_sequence=open_sequence,
                )
                if place is None:
                    raise
                depth, position = place
                if depth < len(stack):
                    (elements, last, disorder, creators, stop, open_item, heads, items, sequence_stop,
                     open_sequence, sequence_begin, spoiled, tag) = stack[depth]  # fmt: skip
                    del stack[depth:]
                    encoding = heads.encoding
                    implicit, big = encoding == IMPLICIT, encoding == BIG
                    u16, u32 = _U16[big], _U32[big]
                buffer, base = window.buffer, window.base
                have = min(base + len(buffer), limit)
                add(path_of(stack), Rule.UNREADABLE, "kept as unknown bytes")
                spoiled, in_sequence, clear = True, True, -1

        window.move(position, 0)
        if window.base + len(window.buffer) < position:
            raise truncated(stack, last)
        if not disorder:
            return elements
        refuse_two_identities(elements)
        return ordered(elements, stack, self.findings)

    def _guess(self, ask: Any, position: int, *about: Any) -> Any:
        """Ask what can only be told by looking ahead; no more often than is reasonable."""
        self.guesses_left -= 1
        return ask(self.window, position, *about) if self.guesses_left >= 0 else None

    def _stray(self, stack: list[Level], tags: list[int]) -> None:
        """Pass over a delimiter of nothing; unless one was missing before, so that it may be that one."""
        if self.mended:
            raise malformed(stack, "delimiters are missing in one place and left over in another")
        self.findings.add([*path_of(stack), *tags], Rule.STRAY_DELIMITER, "passed over")

    def _lacks_pad(self, position: int) -> bool:
        """Tell whether the pixel data that ends at `position` is whole but for one byte, and nothing is behind it."""
        pixel = self.pixel_data
        if pixel is None or pixel.length is None or pixel.offset + pixel.length != position:
            return False
        if self.window.end != position - 1:
            return False
        self.pixel_data, self.lacks_pad = pixel._replace(length=pixel.length - 1), True
        return True

    def _skip_fragments(self, position: int, stack: list[Level], tag: int, *, big: bool) -> int:
        """Pass over the fragments of a value of undefined length (PS3.5 A.4); give the position behind them.

        -1 where they do not end, and that is accepted: what follows is of no known structure.
        """
        window, begin = self.window, position
        while True:
            window.move(position, 8)
            at = position - window.base
            if at < 0 or at + 8 > len(window.buffer):
                break
            if position == begin and window.buffer[at : at + 4] in _ITEM_STARTS:
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
            position += 8 + length
        if stack or self.settings.truncated_pixel_data == "refuse":
            raise truncated(stack, tag)
        self.findings.add([*path_of(stack), tag], Rule.NO_SEQUENCE_DELIMITER, "took what is there")
        return -1


def _begins(window: Window, position: int, inside: Inside) -> bool:
    """Tell whether an element begins at `position`, whatever came before."""
    return chain(look(window, position), position, -1, inside) >= PLAUSIBLE


def _swapped(value: bytes, width: int) -> bytes:
    """Swap a big-endian value to little endian; one of a wrong length is left to the encoder, which will refuse it."""
    if len(value) % width:
        return value
    words = array({2: "H", 4: "I", 8: "Q"}[width], value)
    words.byteswap()
    return words.tobytes()
