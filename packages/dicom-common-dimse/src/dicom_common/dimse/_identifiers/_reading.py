"""Reading an identifier: every length is checked, the depth is bounded, and nothing is guessed (PS3.5 7)."""

from __future__ import annotations

from dicom_common.dicom import CharacterSet, dictionary_vr
from dicom_common.dimse._identifiers._elements import CHARACTER_SET, Element, Encoding, Identifier, declared
from dicom_common.dimse._identifiers._status_error import StatusError

__all__ = ["read_identifier"]

UNABLE = 0xC000
_MOST_ELEMENTS = 200_000
_DEEPEST = 8
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VRS = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_IMPLICIT = Encoding(implicit=True, big_endian=False)
_NOT_OF_A_DATA_SET = (0x0000, 0x0002)


def read_identifier(data: bytes, encoding: Encoding, *, undeclared: str = "") -> Identifier:
    """Read the data set of a request. Group lengths, which are retired, and the groups 0000 and 0002 are left out.

    Args:
        data: the data set.
        encoding: that of the presentation context.
        undeclared: the Specific Character Set of a data set that names none; empty: the default repertoire.

    Raises:
        StatusError: C000, the bytes are not a data set in this encoding, or more than the limits allow.
    """
    return _Reader(data).data_set(0, len(data), encoding, declared(undeclared.encode()), depth=0)[0]


def _malformed(*tags: int) -> StatusError:
    return StatusError(UNABLE, "The identifier cannot be parsed in its transfer syntax.", *tags)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._count = data, 0

    def _number(self, at: int, size: int, encoding: Encoding) -> int:
        if at + size > len(self._data):
            raise _malformed()
        return int.from_bytes(self._data[at : at + size], encoding.byte_order)

    def _tag(self, at: int, encoding: Encoding) -> int:
        return self._number(at, 2, encoding) << 16 | self._number(at + 2, 2, encoding)

    def data_set(
        self, at: int, end: int, encoding: Encoding, texts: CharacterSet, *, depth: int
    ) -> tuple[Identifier, int]:
        """Read elements up to the end, or to an item delimiter, and tell where they end."""
        elements: dict[int, Element] = {}
        has_items = False
        while at < end:
            tag = self._tag(at, encoding)
            if tag == _ITEM_END and depth:
                break
            self._count += 1
            if self._count > _MOST_ELEMENTS:
                raise StatusError(UNABLE, f"The identifier has more than {_MOST_ELEMENTS} elements.")
            vr, start, length = self._head(tag, at, encoding)
            if tag in elements:
                raise StatusError(UNABLE, "The identifier contains an element twice.", tag)
            if vr == "SQ" or (vr == "UN" and length == _UNDEFINED):
                items, at = self._items(start, length, end, _IMPLICIT if vr == "UN" else encoding, texts, depth)
                elements[tag], has_items = Element(tag, "SQ", b"", tuple(items)), has_items or bool(items)
                continue
            if length == _UNDEFINED or start + length > end:
                raise _malformed(tag)
            at = start + length
            if not tag & 0xFFFF or tag >> 16 in _NOT_OF_A_DATA_SET:
                continue
            elements[tag] = Element(tag, vr, self._data[start:at])
            if tag == CHARACTER_SET:
                if has_items:  # what they are in would be known too late
                    raise _malformed(tag)
                texts = declared(elements[tag].value) if elements[tag].value.strip(b" \0") else texts
        return Identifier(elements, encoding, texts), at

    def _head(self, tag: int, at: int, encoding: Encoding) -> tuple[str, int, int]:
        """Return the VR, the start of the value and its length."""
        by_dictionary = dictionary_vr(tag)[:2]
        if encoding.implicit:
            return by_dictionary, at + 8, self._number(at + 4, 4, encoding)
        vr = self._data[at + 4 : at + 6]
        if vr in _SHORT_VRS:
            return vr.decode(), at + 8, self._number(at + 6, 2, encoding)
        if vr not in _LONG_VRS:
            raise _malformed(tag)
        length = self._number(at + 8, 4, encoding)
        if vr == b"UN" and length != _UNDEFINED:
            # Whoever did not know the element wrote it so; of fixed length, text is the same in every encoding.
            return ("UN" if by_dictionary == "SQ" else by_dictionary), at + 12, length
        return vr.decode(), at + 12, length

    def _items(  # noqa: PLR0913, PLR0917 - where the items are, and what they are in
        self, start: int, length: int, end: int, encoding: Encoding, texts: CharacterSet, depth: int
    ) -> tuple[list[Identifier], int]:
        if depth >= _DEEPEST:
            raise StatusError(UNABLE, f"The identifier nests more than {_DEEPEST} sequences.")
        at, last = start, end if length == _UNDEFINED else start + length
        items: list[Identifier] = []
        while at < last:
            tag, size = self._tag(at, encoding), self._number(at + 4, 4, encoding)
            at += 8
            if tag == _SEQUENCE_END and length == _UNDEFINED:
                return items, at
            if tag != _ITEM or (size != _UNDEFINED and at + size > last):
                raise _malformed(tag)
            item_end = last if size == _UNDEFINED else at + size
            item, at = self.data_set(at, item_end, encoding, texts, depth=depth + 1)
            if size == _UNDEFINED:
                if self._tag(at, encoding) != _ITEM_END:
                    raise _malformed(tag)
                at += 8
            elif at != item_end:
                raise _malformed(tag)
            items.append(item)
        if length == _UNDEFINED:
            raise _malformed()
        return items, at
