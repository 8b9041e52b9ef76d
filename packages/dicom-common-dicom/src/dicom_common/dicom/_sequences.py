"""The sequences that are open while a data set is scanned: how they are entered, go on and end.

The scanner keeps what it needs for each element in variables of its own; here is what it needs for each item.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from dicom_common.dicom._elements import (
    Elements,
    Items,
    Level,
    malformed,
    ordered,
    path_of,
    too_deep,
    too_large,
    too_many_items,
    too_many_tags,
    truncated,
)
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import SWAPPED, Encoding, Head, Heads, Kind
from dicom_common.dicom._look_ahead import FAR, Inside
from dicom_common.dicom._recovery import ends_before, goes_on, opaque
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._window import Window

__all__ = ["FORMS", "Sequences"]

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_STARTS = (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")
_HEADER = {False: struct.Struct("<HHI").unpack_from, True: struct.Struct(">HHI").unpack_from}
FORMS = {
    encoding: (
        encoding == Encoding.IMPLICIT,
        encoding == Encoding.BIG,
        struct.Struct(f"{order}H").unpack_from,
        struct.Struct(f"{order}I").unpack_from,
    )
    for encoding, order in ((Encoding.IMPLICIT, "<"), (Encoding.EXPLICIT, "<"), (Encoding.BIG, ">"))
}
"""Of each encoding: whether VRs are implicit, whether it is big endian, and how its lengths are unpacked."""
_MOST_TAGS, _EACH_TAG, _MOST_ALONE, _EACH_ALONE = 2000, 500, 20_000, 50
"""How many different tags items may have, or one for so many elements of the limit; then the same of the elements that
are around them, whose tags are all different."""
_MOST_GUESSES, _MOST_RESCUES = 10_000, 20_000
"""How often a data set is looked ahead in because it is damaged, and how often damage stays in its container."""


@dataclass(slots=True)
class Sequences:
    """The open sequences of one data set; `stack` holds what is around the innermost one."""

    window: Window
    settings: ReaderSettings
    findings: Findings
    stack: list[Level] = field(default_factory=list)
    items: Items = field(default_factory=list)
    """The items of the innermost sequence."""
    stop: int = FAR
    """Where the item ends at the latest, or the data set where no sequence is open."""
    open_item: bool = True
    """Whether a delimiter ends it."""
    sequence_stop: int = FAR
    open_sequence: bool = True
    begin: int = 0
    """Where the value of the sequence begins."""
    spoiled: bool = False
    """Whether it could not be followed."""
    guesses_left: int = _MOST_GUESSES
    rescues_left: int = _MOST_RESCUES
    items_left: int = field(init=False)
    tags: set[int] = field(default_factory=set)
    """Those of items, counted where there are very many elements."""
    mended: bool = False
    """Whether the end of an item or sequence was found without its delimiter."""

    def __post_init__(self) -> None:
        self.items_left = self.settings.max_items

    def guess(self, ask: Any, position: int, *about: Any) -> Any:
        """Ask what can only be told by looking ahead; no more often than is reasonable."""
        self.guesses_left -= 1
        return ask(self.window, position, *about) if self.guesses_left >= 0 else None

    def inside(self, encoding: Encoding) -> Inside:
        """Give the data set or item that is being read."""
        return Inside(encoding, self.stop, self.open_item, nested=bool(self.stack))

    def enter(  # noqa: PLR0913, PLR0917  # the state of the loop
        self,
        elements: Elements,
        last: int,
        disorder: bool,
        creators: dict[int, str],
        heads: Heads,
        head: Head,
        begin: int,
        end: int | None,
    ) -> None:
        """Enter the sequence whose value begins at `begin`; without an `end` a delimiter ends it."""
        if len(self.stack) >= self.settings.max_depth:
            raise too_deep()
        self.stack.append(
            Level(elements, last, disorder, creators, self.stop, self.open_item, heads, self.items,
                  self.sequence_stop, self.open_sequence, self.begin, self.spoiled, head)
        )  # fmt: skip
        self.open_sequence = end is None
        self.sequence_stop = self.stop if end is None else end
        self.items, self.begin, self.spoiled = [], begin, False

    def checked_item(self, elements: Elements, *, disorder: bool, many: bool) -> Elements:
        """Order the elements of an item where they are not, and look at their tags where there are very many."""
        if many:
            self.tags.update([head.tag for head in elements[::2]])
            if len(self.tags) > max(_MOST_TAGS, self.settings.max_elements // _EACH_TAG):
                raise too_many_tags()
        return ordered(elements, self.stack, self.findings) if disorder else elements

    def refuse_many_alone(self, elements: Elements) -> None:
        """Refuse data sets and items that have very many elements of their own, so of as many tags.

        Args:
            elements: of the innermost one; `stack` holds those around it.
        """
        alone = len(elements) + sum(len(level.elements) for level in self.stack)
        if alone // 2 > max(_MOST_ALONE, self.settings.max_elements // _EACH_ALONE):
            raise too_many_tags()

    def is_ordinary(self) -> bool:
        """Tell whether the innermost sequence is nothing but what it should be."""
        return not self.spoiled and self.stack[-1].head.kind is Kind.SEQUENCE

    def leave(self, position: int) -> Level:
        """Leave the innermost sequence, which ends at `position`, for what is around it, and put it there."""
        level = self.stack.pop()
        tag, elements = level.tag, level.elements
        head = level.head
        if head.kind is Kind.FOREIGN_GROUP:
            self.findings.add([*path_of(self.stack), tag], Rule.FOREIGN_GROUP, "left out")
        elif tag == _ITEM or head.kind is Kind.GROUP_LENGTH:
            pass  # items that belong to nothing; a group length that is not one
        elif self.spoiled:
            elements += opaque(self.window, level.heads.opaque(tag), self.begin, position)
        else:
            elements += head, self.items
        self.return_to(level)
        return level

    def return_to(self, level: Level) -> None:
        """Go on behind the sequence of this level, in what is around it."""
        self.stop, self.open_item, self.items = level.stop, level.open_item, level.items
        self.sequence_stop, self.open_sequence = level.sequence_stop, level.open_sequence
        self.begin, self.spoiled = level.begin, level.spoiled

    def next_item(self, position: int, encoding: Encoding, limit: int, last: int) -> tuple[int, bool]:
        """Go on between items.

        Returns:
            Where the content of the next item begins, and True; or the position behind the sequence, and False.
        """
        stack = self.stack
        while True:
            have = self._bytes_behind(position, limit, last)
            if position >= self.sequence_stop:
                if self.open_sequence:
                    self._undelimited(Rule.NO_SEQUENCE_DELIMITER)
                return position, False
            if have < 8:
                raise truncated(stack, last)
            tag, length = self._item_header(position, big=encoding == Encoding.BIG)
            if tag == _ITEM:
                self._begin_item(position + 8, length, encoding, last)
                return position + 8, True
            if tag == _SEQUENCE_END and self.open_sequence:
                return position + 8, False
            if tag in (_ITEM_END, _SEQUENCE_END):
                self.stray([])
                position += 8
            elif self.open_sequence and self.guess(ends_before, position, stack):
                # An element where only items can be: the sequence was not ended.
                if stack[-1].tag != _ITEM:
                    self._undelimited(Rule.NO_SEQUENCE_DELIMITER)
                    self.mended = True
                return position, False
            else:
                raise malformed(stack, "a sequence holds what is not an item")

    def _bytes_behind(self, position: int, limit: int, last: int) -> int:
        """Tell how many bytes there are, enough of them for an item's header or all; and whether they may be read."""
        window = self.window
        window.move(position, 12)
        end = window.base + len(window.buffer)
        if min(end, limit) - position < 12:
            if end > limit:
                raise too_large()
            if end < position or end < self.sequence_stop < FAR:
                # No container ends before the data does: there is nowhere to go on.
                raise truncated(self.stack, last).final()
            self.sequence_stop = min(self.sequence_stop, end)
        return end - position

    def _item_header(self, position: int, *, big: bool) -> tuple[int, int]:
        group, element, length = _HEADER[big](self.window.buffer, position - self.window.base)
        tag = group << 16 | element
        if tag in SWAPPED:
            self.findings.add([*path_of(self.stack), SWAPPED[tag]], Rule.BYTE_ORDER, "taken as one")
            tag, length = SWAPPED[tag], int.from_bytes(length.to_bytes(4, "little"), "big")
        return tag, length

    def _begin_item(self, begin: int, length: int, encoding: Encoding, last: int) -> None:
        self.items_left -= 1
        if self.items_left < 0:
            raise too_many_items(self.settings)
        self.open_item = length == _UNDEFINED
        self.stop = self.sequence_stop if self.open_item else begin + length
        if self.stop > self.sequence_stop:
            inside = Inside(encoding, self.stop, self.open_item, nested=True)
            if self.open_sequence or not self.guess(
                goes_on, begin, self.stop, self.stack, self.sequence_stop, inside, -1
            ):
                raise truncated(self.stack, last)
            self._go_by_items()

    def goes_on(self, position: int, encoding: Encoding, last: int) -> bool:
        """Tell whether an item of undefined length goes on behind the length of its sequence, which then is wrong."""
        if not self.stack or not self.open_item or self.open_sequence:
            return False
        if not self.guess(goes_on, position, FAR, self.stack, self.stop, self.inside(encoding), last):
            return False
        self._go_by_items()
        self.stop = self.sequence_stop
        return True

    def _go_by_items(self) -> None:
        self.findings.add(path_of(self.stack), Rule.SEQUENCE_LENGTH, "went by the items")
        self.sequence_stop, self.open_sequence = self.stack[-1].stop, True

    def end_item(self) -> None:
        """Note that the item, which has no delimiter, ends."""
        self._undelimited(Rule.NO_ITEM_DELIMITER)
        self.mended = True

    def _undelimited(self, rule: Rule) -> None:
        if rule is Rule.NO_ITEM_DELIMITER:
            self.findings.add(path_of(self.stack), rule, "ended the item")
        elif self.stack[-1].tag != _ITEM:
            self.findings.add(path_of(self.stack), rule, "ended the sequence")

    def stray(self, tags: list[int]) -> None:
        """Pass over a delimiter of nothing; unless one was missing before, so that it may be that one."""
        if self.mended:
            raise malformed(self.stack, "delimiters are missing in one place and left over in another")
        self.items_left -= 1
        if self.items_left < 0:
            raise too_many_items(self.settings)
        self.findings.add([*path_of(self.stack), *tags], Rule.STRAY_DELIMITER, "passed over")

    def rescue(self, position: int, *, in_sequence: bool) -> tuple[Level | None, int] | None:
        """Go to the end of the innermost container whose own length tells it; None if there is none.

        Returns:
            The level that was returned to, None where that is the one before; and the position to go on at. The
            sequence that is innermost then is spoiled.
        """
        self.rescues_left -= 1
        place = self._end_around(position, in_sequence=in_sequence)
        if place is None or self.rescues_left < 0:
            return None
        depth, position = place
        level = None
        if depth < len(self.stack):
            level = self.stack[depth]
            del self.stack[depth:]
            self.return_to(level)
        self.findings.add(path_of(self.stack), Rule.UNREADABLE, "kept as unknown bytes")
        self.spoiled = True
        return level, position

    def _end_around(self, position: int, *, in_sequence: bool) -> tuple[int, int] | None:
        stack = self.stack
        if stack and not in_sequence and not self.open_item:
            return len(stack), self.stop
        if stack and not self.open_sequence and position < self.sequence_stop:
            return len(stack), self.sequence_stop
        for depth in range(len(stack) - 1, 0, -1):
            level = stack[depth]
            if not level.open_item:
                return depth, level.stop
            if not level.open_sequence:
                return depth, level.sequence_stop
        return None

    def behind_fragments(self, position: int, tag: int, *, big: bool) -> int:
        """Pass over the fragments of a value of undefined length (PS3.5 A.4); give the position behind them.

        -1 where they do not end, and that is accepted: what follows is of no known structure.

        Raises:
            DicomError: they do not end, and that is not accepted; or there are too many.
        """
        window, begin = self.window, position
        while True:
            window.move(position, 8)
            at = position - window.base
            if at < 0 or at + 8 > len(window.buffer):
                break
            if position == begin and window.buffer[at : at + 4] in _ITEM_STARTS:
                big = window.buffer[at] == 0xFF
            group, element, length = _HEADER[big](window.buffer, at)
            if (group, element) == (0xFFFE, 0xE0DD):
                return position + 8
            if (group, element) != (0xFFFE, 0xE000) or length == _UNDEFINED:
                break
            self.items_left -= 1
            if self.items_left < 0:
                raise too_many_items(self.settings)
            position += 8 + length
        if self.stack or self.settings.truncated_pixel_data == "refuse":
            raise truncated(self.stack, tag)
        self.findings.add([*path_of(self.stack), tag], Rule.NO_SEQUENCE_DELIMITER, "took what is there")
        return -1
