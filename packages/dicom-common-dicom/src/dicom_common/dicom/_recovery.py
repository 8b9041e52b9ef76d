"""Where to go on when the structure of sequences is damaged: what the loop asks when lengths and delimiters disagree.

Nothing is read twice: the scan only ever goes on from where it stands, or from the end that a container around it
tells. So damage costs no more than reading does, however much of it there is.
"""

from __future__ import annotations

import struct

from dicom_common.core import DicomError
from dicom_common.dicom._elements import Level, Value
from dicom_common.dicom._heads import EXPLICIT, IMPLICIT, VRS, Encoding, Head
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._look_ahead import FAR, MOST, PLAUSIBLE, Ahead, Inside, chain, look, passes
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._window import Window

__all__ = ["begins", "behind_zeros", "ends_before", "goes_on", "item_encoding", "opaque", "parent_of"]

_UNDEFINED = 0xFFFFFFFF
_ITEM_HEADER = struct.Struct("<HHI")
_ITEM_STARTS = {False: (b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"), True: (b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")}
_VR_LETTERS = frozenset(vr.encode() for vr in VRS)
_MOST_EMPTY_ITEMS = 16
_FEW_ZEROS = 256


def parent_of(stack: list[Level]) -> Inside:
    """Give the data set or item that holds the innermost sequence."""
    level = stack[-1]
    return Inside(level.heads.encoding, level.stop, level.open_item, nested=len(stack) > 1)


def opaque(window: Window, head: Head, begin: int, end: int) -> tuple[Head, Value]:
    """Make the element that a sequence becomes which could not be followed: its bytes as they are, under VR UN.

    The window keeps as many bytes as may be in line.
    """
    at = begin - window.base
    if end - begin > head.hold or at < 0:
        return head.skipped(), Skipped(head.tag, begin, end - begin)
    return head, window.buffer[at : at + end - begin]


def begins(window: Window, position: int, encoding: Encoding) -> bool:
    """Tell whether an element of a data set begins at `position`, whatever came before."""
    inside = Inside(encoding, FAR, open_item=False, nested=False)
    return chain(look(window, position), position, -1, inside) >= PLAUSIBLE


def ends_before(window: Window, position: int, stack: list[Level]) -> bool:
    """Tell whether the innermost sequence, which has no delimiter, ended before the element at `position`."""
    return chain(look(window, position), position, stack[-1].last, parent_of(stack)) >= PLAUSIBLE


def goes_on(  # noqa: PLR0913, PLR0917  # the state of the loop
    window: Window, position: int, end: int, stack: list[Level], sequence_stop: int, inside: Inside, last: int
) -> bool:
    """Tell whether a sequence goes on behind its own length, because what is in it does.

    Args:
        window: where to look.
        position: where the item's content, or the next element, begins.
        end: where the item ends, by its own length; `FAR` if a delimiter ends it.
        stack: the sequences that are open.
        sequence_stop: where the sequence ends, by its own length.
        inside: the item.
        last: the tag of the item's last element.

    Raises:
        DicomError: both ends are plausible, and the one does not follow from the other.
    """
    around = parent_of(stack)
    ahead = look(window, position)
    outer = chain(ahead, sequence_stop, stack[-1].last, around)
    if end >= FAR:
        inner = chain(ahead, position, last, inside._replace(stop=around.stop))
        return inner >= PLAUSIBLE and inner > outer
    inner = MOST if _is_item(ahead, end, inside) else chain(ahead, end, stack[-1].last, around)
    if end > around.stop or inner < PLAUSIBLE:
        return False
    if outer >= PLAUSIBLE and not passes(ahead, sequence_stop, end, inside.encoding):
        raise DicomError(
            Reason.AMBIGUOUS,
            "The length of a sequence and that of its item contradict each other, and either may be true; "
            "ask the sender for a new copy.",
        )
    return True


def _is_item(ahead: Ahead, position: int, inside: Inside) -> bool:
    at = position - ahead.base
    return ahead.buffer[at : at + 4] in _ITEM_STARTS[inside.encoding == Encoding.BIG]


def item_encoding(window: Window, begin: int, end: int) -> Encoding:
    """Tell how the items of a sequence under VR UN are written: in implicit VR (PS3.5 6.2.2), as a rule."""
    ahead = look(window, begin)
    stop, position = min(end, ahead.limit), begin
    for _ in range(_MOST_EMPTY_ITEMS):
        if position + 16 > stop:
            break
        group, element, length = _ITEM_HEADER.unpack_from(ahead.buffer, position - ahead.base)
        position += 8
        if (group, element) != (0xFFFE, 0xE000):
            break
        if length:
            at = position - ahead.base + 4
            if ahead.buffer[at : at + 2] not in _VR_LETTERS:
                break
            item = Inside(
                IMPLICIT, end if length == _UNDEFINED else position + length, length == _UNDEFINED, nested=True
            )
            implicit = chain(ahead, position, -1, item)
            explicit = chain(ahead, position, -1, item._replace(encoding=EXPLICIT))
            return EXPLICIT if implicit < MOST and explicit > implicit else IMPLICIT
    return IMPLICIT


def behind_zeros(window: Window, position: int, last: int, inside: Inside) -> int | None:
    """Find where to go on behind the zeros that begin at `position`; None if what follows them is no element."""
    ahead = look(window, position)
    stop = min(inside.stop, ahead.limit)
    at = position - ahead.base
    # A few zeros are the rule, and all that can be seen is much to copy.
    rest = ahead.buffer[at : min(at + _FEW_ZEROS, stop - ahead.base)]
    if not rest.strip(b"\0"):
        rest = ahead.buffer[at : stop - ahead.base]
    run = len(rest) - len(rest.lstrip(b"\0"))
    if run == len(rest):
        # To the end of the item or the data set; or as far as can be seen, and further.
        return stop if stop == inside.stop or ahead.ends else position + (run & ~1)
    first = position + (run & ~1)
    # The tag itself may begin with zeros.
    places = [place for place in (first, first - 2) if place >= position + 8]
    scores = [chain(ahead, place, last, inside) for place in places]
    best = max(scores, default=0)
    return places[scores.index(best)] if best >= PLAUSIBLE else None
