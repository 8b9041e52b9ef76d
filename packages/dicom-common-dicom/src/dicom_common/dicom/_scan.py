"""The one pass over a data set: from bytes to elements, without recursion and inside the limits.

The loop keeps its state in local variables, takes an ordinary element in a dozen steps, and leaves everything else
(sequences, skipped and damaged values) to the branch behind them. Profiles say: a method call an element costs as much
as all the rest.

It never asks how large the data set is: what it does depends only on the bytes that it came by and on those that
`look_ahead` shows. So it says the same of a stream, whose size nothing tells, and of bytes in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

from dicom_common.dicom._elements import (
    Damage,
    Elements,
    Level,
    little_endian,
    ordered,
    path_of,
    too_large,
    too_many_elements,
    truncated,
)
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import Encoding, Kind, heads_for
from dicom_common.dicom._identity import refuse_stray_identity, refuse_two_identities
from dicom_common.dicom._irregular import DATA_SET_ENDS, Irregular, with_creator
from dicom_common.dicom._look_ahead import FAR
from dicom_common.dicom._pixel_place import PixelPlace
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._sequences import FORMS, Sequences
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._window import Window

__all__ = ["Scanner"]

# The members under names of their own: looking them up in the class costs as much as the question.
_PRIVATE, _CREATOR, _SEQUENCE, _UNKNOWN_SEQUENCE = Kind.PRIVATE, Kind.CREATOR, Kind.SEQUENCE, Kind.UNKNOWN_SEQUENCE
_PIXEL_DATA, _GROUP_LENGTH, _FOREIGN_GROUP = Kind.PIXEL_DATA, Kind.GROUP_LENGTH, Kind.FOREIGN_GROUP
_DELIMITER, _BAD_VR = Kind.DELIMITER, Kind.BAD_VR
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_HEADER = Struct("<II").unpack_from
_LITTLE_ITEM, _LITTLE_SEQUENCE_END = 0xE000FFFE, 0xE0DDFFFE
"""The two tags as one little-endian number."""
_LITTLE_STARTS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0")
_LEVEL = Level._make
_NO_CREATORS: dict[int, str] = {}
_MORE = 50_000
"""Elements that are taken without a look at their tags."""


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
    pixels: PixelPlace = field(default_factory=PixelPlace)
    strays: list[int] = field(default_factory=list)
    """Behind how many elements of the top level each delimiter came that ends nothing."""

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
        max_depth = settings.max_depth
        # Where there are very many elements, few tags must come again and again: each first one of a tag takes as long
        # as ten others.
        left = more = min(settings.max_elements, _MORE)
        taken, many = 0, False
        # What is parsed and kept counts; `limit` moves on with what is passed over.
        limit = start + settings.max_header
        buffer, base, have = window.seen(limit)
        heads = heads_for(encoding, threshold, max_value, settings.numbers_as)
        implicit, big, u16, u32 = FORMS[encoding]
        open_ones = Sequences(window, settings, self.findings)
        stack, irregular = open_ones.stack, Irregular(open_ones, self.pixels)
        elements: Elements = []
        last, disorder, in_sequence, stop, position = -1, False, False, FAR, start
        creators = _NO_CREATORS
        # Two bounds in place of five questions an element. Up to `clear` an element may begin; beyond it something has
        # to be seen to: the end of an item, or of the buffer. Up to `near` a value may end.
        near = min(stop, have)
        clear = min(stop - 1, have - 12)

        while True:
            try:
                while True:
                    if position > clear:
                        # What is ordinary about items and sequences; `open_ones` sees to the rest.
                        if stack and position + 12 <= have and not big:
                            if position == stop and not in_sequence and not open_ones.open_item:
                                if disorder or many:
                                    elements = open_ones.checked_item(elements, disorder=disorder, many=many)
                                open_ones.items.append(elements)
                                in_sequence = True
                            if in_sequence:
                                tag, length = _ITEM_HEADER(buffer, position - base)
                                bound, open_sequence = open_ones.sequence_stop, open_ones.open_sequence
                                if tag == _LITTLE_ITEM and position < bound and open_ones.items_left > 0:
                                    stop = bound if length == _UNDEFINED else position + 8 + length
                                    if stop <= bound:
                                        open_ones.items_left -= 1
                                        open_ones.open_item, open_ones.stop = length == _UNDEFINED, stop
                                        elements, last, disorder, creators = [], -1, False, _NO_CREATORS
                                        in_sequence = False
                                        position += 8
                                        near = min(stop, have)
                                        clear = min(stop - 1, have - 12)
                                        continue
                                elif (
                                    tag == _LITTLE_SEQUENCE_END and position < bound
                                    if open_sequence
                                    else position == bound
                                ) and open_ones.is_ordinary():
                                    items = open_ones.items
                                    (elements, last, disorder, creators, stop, open_ones.open_item, heads,
                                     open_ones.items, open_ones.sequence_stop, open_ones.open_sequence,
                                     open_ones.begin, open_ones.spoiled, head) = stack.pop()  # fmt: skip
                                    open_ones.stop = stop
                                    elements.append(head)
                                    elements.append(items)
                                    if open_sequence:
                                        position += 8
                                    if heads.encoding != encoding:
                                        encoding = heads.encoding
                                        implicit, big, u16, u32 = FORMS[encoding]
                                    in_sequence = False
                                    near = min(stop, have)
                                    clear = min(stop - 1, have - 12)
                                    continue
                        if in_sequence:
                            # Between items: the next item, or the end of the sequence.
                            position, in_sequence = open_ones.next_item(position, encoding, limit, last)
                            if in_sequence:
                                elements, last, disorder, creators, in_sequence = [], -1, False, _NO_CREATORS, False
                            else:
                                level = open_ones.leave(position)
                                elements, last, disorder = level.elements, level.last, level.disorder
                                creators, heads = level.creators, level.heads
                                if heads.encoding != encoding:
                                    encoding = heads.encoding
                                    implicit, big, u16, u32 = FORMS[encoding]
                            stop = open_ones.stop
                            buffer, base, have = window.seen(limit)
                        if have - position < 12 and position < stop:
                            shown = irregular.have_more(position, limit, last)
                            if shown is None:
                                position -= 1
                                break
                            buffer, base, have = shown
                            stop = open_ones.stop
                        if position >= stop:
                            if not stack:
                                break
                            if open_ones.open_item:
                                if position >= have:
                                    window.move(position, 1)
                                    buffer, base, have = window.seen(limit)
                                    if position >= have:
                                        raise truncated(stack, last)
                                if open_ones.goes_on(position, encoding, last):
                                    stop, clear = open_ones.stop, -1
                                    buffer, base, have = window.seen(limit)
                                    continue
                                open_ones.end_item()
                            if disorder or many:
                                elements = open_ones.checked_item(elements, disorder=disorder, many=many)
                            open_ones.items.append(elements)
                            in_sequence, clear = True, -1
                            continue
                        if have - position < 8:
                            # Not even a tag and a length: padding, or a data set that was cut.
                            if stack or not (self.pixels.data or not buffer[: have - position].strip(b"\0")):
                                raise truncated(stack, last)
                            add([], Rule.TRAILING_BYTES, "passed over")
                            break
                        near = min(stop, have)
                        clear = min(stop - 1, have - 12)

                    left -= 1
                    if left < 0:
                        taken += more + 1
                        if taken > settings.max_elements:
                            raise too_many_elements(settings)
                        open_ones.refuse_many_alone(elements)
                        left = more = min(settings.max_elements - taken, _MORE)
                        many = True
                    at = position - base
                    head, tag, header, whole = heads[buffer[at : at + 8]]
                    if whole and position + whole <= near:
                        if tag <= last:
                            disorder = True
                        last = tag
                        elements.append(head)
                        elements.append(buffer[at + header : at + whole])
                        position += whole
                        continue
                    if tag == _ITEM_END and stack and open_ones.open_item:
                        if disorder or many:
                            elements = open_ones.checked_item(elements, disorder=disorder, many=many)
                        open_ones.items.append(elements)
                        position, in_sequence, clear = position + 8, True, -1
                        continue

                    # Everything that is not an ordinary value.
                    kind = head.kind
                    begin = position + header
                    length = (u32(buffer, at + header - 4) if implicit or head.long else u16(buffer, at + 6))[0]
                    end = begin + length
                    if kind is _SEQUENCE and begin <= stop and begin + 12 <= have and not big:
                        is_open = length == _UNDEFINED
                        if not length:
                            disorder = disorder or tag <= last
                            last = tag
                            elements.append(head)
                            elements.append([])
                            position = end
                            continue
                        if (
                            (is_open or end <= stop)
                            and buffer[begin - base : begin - base + 4] in _LITTLE_STARTS
                            and len(stack) < max_depth
                        ):
                            disorder = disorder or tag <= last
                            last = tag
                            stack.append(
                                _LEVEL((elements, last, disorder, creators, stop, open_ones.open_item, heads,
                                        open_ones.items, open_ones.sequence_stop, open_ones.open_sequence,
                                        open_ones.begin, open_ones.spoiled, head))
                            )  # fmt: skip
                            open_ones.items, open_ones.begin, open_ones.spoiled = [], begin, False
                            open_ones.open_sequence, open_ones.sequence_stop = is_open, stop if is_open else end
                            position, in_sequence, clear = begin, True, -1
                            continue
                    if kind is _PRIVATE and length != _UNDEFINED:
                        creator = creators.get(tag >> 8, "")
                        head = heads.privates.get((creator, tag)) or heads.private(tag, creator, head)
                        kind = head.kind
                    if kind <= _CREATOR and length <= head.hold and end <= stop and end <= have:
                        value = buffer[at + header : at + header + length]
                        if big and head.width > 1:
                            value = little_endian(value, head.width)
                        if kind is _CREATOR:
                            creators = with_creator(creators, tag, value)
                        disorder = disorder or tag <= last
                        last = tag
                        elements.append(head)
                        elements.append(value)
                        position = end
                        continue
                    if kind is _DELIMITER:
                        tag = irregular.delimiter(tag)
                        if stack and open_ones.open_item and tag in (_ITEM, _ITEM_END, _SEQUENCE_END):
                            if tag == _ITEM_END:  # in the other byte order
                                position += 8
                            else:
                                open_ones.end_item()
                            if disorder or many:
                                elements = open_ones.checked_item(elements, disorder=disorder, many=many)
                            open_ones.items.append(elements)
                        elif tag == _ITEM:
                            # A sequence that lost its own tag: what it holds is of nothing that is known.
                            add([*path_of(stack), tag], Rule.STRAY_DELIMITER, "left out with what it holds")
                            head = heads.resolved(tag, "SQ")
                            open_ones.enter(elements, last, disorder, creators, heads, head, position, None)
                        else:
                            open_ones.stray([tag])
                            if not stack:
                                self.strays.append(len(elements) // 2)
                            position += 8
                            continue
                        in_sequence, clear = True, -1
                        continue
                    strange = kind is _BAD_VR or not tag
                    # By its length alone, so that it is the same of every source.
                    if implicit and length > head.hold and kind <= _CREATOR and (kind > 0 or head.vr == "UN"):
                        strange = True
                    if strange or (tag <= last and self.pixels.data):
                        there = buffer[at : at + 8]
                        behind, passed = irregular.instead(position, there, head, elements, last, encoding)
                        if behind == DATA_SET_ENDS:
                            break
                        buffer, base, have = window.seen(limit)
                        if behind is not None:
                            limit += passed
                            position, clear = behind, -1
                            continue
                        at = position - base
                    if kind is _BAD_VR:
                        guess = irregular.guessed(position, head, heads, creators.get(tag >> 8, ""))
                        head, header, length, _ = guess
                        buffer, base, have = window.seen(limit)
                        begin = position + header
                        end, kind = begin + length, head.kind
                    if end > stop and length != _UNDEFINED:
                        if not open_ones.goes_on(position, encoding, last):
                            raise truncated(stack, tag)
                        stop, clear = open_ones.stop, -1
                        buffer, base, have = window.seen(limit)
                        continue

                    if length == _UNDEFINED and (kind is _PIXEL_DATA or head.vr in ("OB", "OW")):
                        if implicit:  # fragments are bytes (PS3.5 A.4), whatever the dictionary says of native ones
                            head = heads.resolved(tag, "OB")
                        disorder = disorder or tag <= last
                        last = tag
                        position = irregular.behind_fragments(elements, head, begin, big=big)
                        if position == DATA_SET_ENDS:
                            break
                        limit += position - begin
                        buffer, base, have = window.seen(limit)
                        continue
                    if length == _UNDEFINED or kind is _SEQUENCE or kind is _UNKNOWN_SEQUENCE:
                        if irregular.holds_items(head, begin, length):
                            unknown = not implicit and (head.vr == "UN" or kind is _UNKNOWN_SEQUENCE)
                            disorder = disorder or tag <= last
                            last = tag
                            until = None if length == _UNDEFINED else end
                            head = heads.resolved(tag, "SQ")
                            open_ones.enter(elements, last, disorder, creators, heads, head, begin, until)
                            in_sequence, clear, position = True, -1, begin
                            if unknown:
                                encoding = irregular.items_encoding(begin, until)
                                heads = heads_for(encoding, threshold, max_value, settings.numbers_as)
                                implicit, big, u16, u32 = FORMS[encoding]
                            buffer, base, have = window.seen(limit)
                            continue
                        head = heads.opaque(tag)
                        kind = head.kind

                    if kind is not _GROUP_LENGTH and kind is not _FOREIGN_GROUP:
                        disorder = disorder or tag <= last
                        last = tag
                    if kind > _CREATOR or length > head.hold:
                        irregular.pass_over(elements, head, begin, length)
                        limit += length
                        buffer, base, have = window.seen(limit)
                        position = end
                        continue
                    if end > have:
                        window.move(begin, length)
                        buffer, base, have = window.seen(limit)
                        if end > have:
                            raise too_large() if have == limit else truncated(stack, tag)
                    value = buffer[begin - base : end - base]
                    if big and head.width > 1:
                        value = little_endian(value, head.width)
                    if kind is _CREATOR:
                        creators = with_creator(creators, tag, value)
                    elements += head, value
                    position = end
                break
            except Damage:
                place = open_ones.rescue(position, in_sequence=in_sequence)
                if place is None:
                    raise
                around, position = place
                if around is not None:
                    elements, last, disorder = around.elements, around.last, around.disorder
                    creators, heads, encoding = around.creators, around.heads, around.heads.encoding
                    implicit, big, u16, u32 = FORMS[encoding]
                stop = open_ones.stop
                buffer, base, have = window.seen(limit)
                in_sequence, clear = True, -1

        window.move(position, 0)
        if window.base + len(window.buffer) < position:
            raise truncated(stack, last)
        if self.strays:
            refuse_stray_identity(elements, self.strays)
        if not disorder:
            return elements
        refuse_two_identities(elements)
        return ordered(elements, stack, self.findings)
