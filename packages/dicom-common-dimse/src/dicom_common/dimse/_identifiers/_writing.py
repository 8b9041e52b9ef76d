"""Writing an identifier, element by element, as bytes of an encoding."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import NamedTuple

from dicom_common.dimse._identifiers._elements import CHARACTER_SET, Encoding
from dicom_common.dimse._identifiers._texts import UTF_8, TextEncoder

__all__ = ["Written", "head_writer", "write_ascii", "write_identifier"]

_AFFECTED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_SHORT, _HEADS = (
    0xFFFF,
    {
        False: (struct.Struct("<HHI"), struct.Struct("<HH2sH"), struct.Struct("<HH2sHI")),
        True: (struct.Struct(">HHI"), struct.Struct(">HH2sH"), struct.Struct(">HH2sHI")),
    },
)


_ASCII = TextEncoder(())


class Written(NamedTuple):
    """An element to write. Its repr shows no value."""

    tag: int
    vr: str
    value: str | bytes | tuple[tuple[Written, ...], ...]
    """Text; bytes in the byte order of the encoding; or the items of a sequence."""

    def __repr__(self) -> str:
        return f"<Written {self.tag:08X} {self.vr}>"


def write_identifier(elements: Iterable[Written], encoding: Encoding, texts: TextEncoder, *, declare: bool) -> bytes:
    """Write a data set.

    Specific Character Set (0008,0005) is written where some text is not ASCII, or where it was asked for; it is that of
    the request, or UTF-8 where that lacks a character.

    Args:
        elements: in any order; (0008,0005) is not among them.
        encoding: of the presentation context.
        texts: the character set of the request.
        declare: whether (0008,0005) is written in any case.
    """
    ordered = sorted(elements)
    try:
        written = [(one.tag, _element(one, encoding, texts)) for one in ordered]
    except UnicodeEncodeError:
        texts = UTF_8
        written = [(one.tag, _element(one, encoding, texts)) for one in ordered]
    if declare or not all(map(_is_ascii, ordered)):
        declared = _element(Written(CHARACTER_SET, "CS", "\\".join(texts.terms)), encoding, texts)
        written.append((CHARACTER_SET, declared))
        written.sort()
    return b"".join([data for _, data in written])


def _is_ascii(one: Written) -> bool:
    if isinstance(one.value, tuple):
        return all(map(_is_ascii, (inner for item in one.value for inner in item)))
    return not isinstance(one.value, str) or one.value.isascii()


def _element(one: Written, encoding: Encoding, texts: TextEncoder) -> bytes:
    tag, vr, value = one
    if isinstance(value, str):
        # What is not of the default repertoire has no place in the other VRs (PS3.5 6.1.2.3).
        is_free = vr in _AFFECTED
        data = texts.encode(value, person_name=vr == "PN") if is_free else value.encode("ascii", "replace")
        if len(data) % 2:
            data += b"\0" if vr == "UI" else b" "
    elif isinstance(value, bytes):
        data = value
    else:
        data = b"".join(_item(item, encoding, texts) for item in value)
    return head_writer(tag, vr, encoding)(len(data)) + data


def write_ascii(one: Written, encoding: Encoding) -> bytes:
    """Write one element whose text is ASCII, which is the same in every character set.

    Raises:
        UnicodeEncodeError: it is not.
    """
    return _element(one, encoding, _ASCII)


def head_writer(tag: int, vr: str, encoding: Encoding) -> Callable[[int], bytes]:
    """Return what writes the head of an element of a VR other than SQ, given the length of its value."""
    implicit, short, long = _HEADS[encoding.big_endian]
    group, element, letters = tag >> 16, tag & 0xFFFF, vr.encode()
    if encoding.implicit:
        return lambda length: implicit.pack(group, element, length)
    if vr in _LONG_VRS:
        return lambda length: long.pack(group, element, letters, 0, length)
    return lambda length: (
        short.pack(group, element, letters, length)
        if length <= _SHORT
        else long.pack(group, element, b"UN", 0, length)  # PS3.5 6.2.2
    )


def _item(elements: tuple[Written, ...], encoding: Encoding, texts: TextEncoder) -> bytes:
    data = b"".join(_element(one, encoding, texts) for one in sorted(elements))
    return _HEADS[encoding.big_endian][0].pack(0xFFFE, 0xE000, len(data)) + data
