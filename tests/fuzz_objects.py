"""What the fuzzer changes: real and made objects, taken apart into elements by a reading of its own."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

from embedded import real_files

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"
UNDEFINED: Final = 0xFFFFFFFF
IDENTITY: Final = frozenset((0x00080016, 0x00080018, 0x0020000D, 0x0020000E))
LARGEST: Final = 64 << 10
"""Bytes of a real file that is taken: a larger one has the same elements, and more pixels."""
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_PIXEL_DATA: Final = 0x7FE00010
_DELIMITERS: Final = (b"\xfe\xff", b"\xff\xfe")
_ITEMS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


class Way(NamedTuple):
    """A way of writing elements."""

    implicit: bool = False
    big: bool = False

    @property
    def order(self) -> str:
        """The byte order, as `struct` has it."""
        return ">" if self.big else "<"

    def element(self, tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
        """Write an element, with another length than it has if one is given."""
        size = len(value) if length is None else length
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if self.implicit or tag >> 16 == 0xFFFE:
            return head + struct.pack(f"{self.order}I", size) + value
        if vr in _LONG:
            return head + vr + struct.pack(f"{self.order}HI", 0, size) + value
        return head + vr + struct.pack(f"{self.order}H", size & 0xFFFF) + value

    def item(self, value: bytes, length: int | None = None) -> bytes:
        """Write an item."""
        return self.element(0xFFFEE000, b"", value, length)


class Element(NamedTuple):
    """Where an element, an item or a delimiter lies."""

    tag: int
    vr: bytes
    start: int
    value: int
    end: int
    """The end of the value; of what is entered (a sequence, an item), of the header."""


@dataclass(frozen=True)
class Template:
    """An object, and what is known of it."""

    name: str
    data: bytes
    """The object, its data set not deflated."""
    body: int
    """Where the data set begins."""
    way: Way
    deflated: bool
    elements: list[Element] = field(repr=False)
    meta: list[Element] = field(repr=False)


def elements_of(data: bytes, start: int, end: int, way: Way) -> Iterator[Element]:
    """Iterate over all elements, items and delimiters, as far as the bytes make sense."""
    number = struct.Struct(f"{way.order}HH").unpack_from
    short = struct.Struct(f"{way.order}H").unpack_from
    long = struct.Struct(f"{way.order}I").unpack_from
    fragments = False
    while start + 12 <= end or (start + 8 <= end and data[start : start + 2] in _DELIMITERS):
        group, low = number(data, start)
        tag, vr = group << 16 | low, b""
        if way.implicit or group == 0xFFFE:
            value, length = start + 8, long(data, start + 4)[0]
        elif (vr := data[start + 4 : start + 6]) in _LONG:
            value, length = start + 12, long(data, start + 8)[0]
        else:
            value, length = start + 8, short(data, start + 6)[0]
        if tag == 0xFFFEE000:
            enters = not fragments
        else:
            enters = length == UNDEFINED or (vr in (b"SQ", b"") and data[value : value + 4] in _ITEMS)
            fragments = enters and (fragments or tag == _PIXEL_DATA)
        stop = value if enters else value + length
        if stop > end:
            return
        yield Element(tag, vr, start, value, stop)
        start = stop


def _template(name: str, data: bytes) -> Template | None:
    """Take an object apart; None where its File Meta or data set is of no known form."""
    if data[128:132] != b"DICM":
        sequence = list(elements_of(data, 0, len(data), Way(implicit=not data[4:6].isalpha())))
        way = Way(implicit=not data[4:6].isalpha())
        return Template(name, data, 0, way, deflated=False, elements=sequence, meta=[]) if len(sequence) > 5 else None
    meta, body, syntax = [], 132, ""
    for element in elements_of(data, 132, len(data), Way()):
        if element.tag >> 16 != 2:
            break
        meta.append(element)
        body = element.end
        if element.tag == 0x00020010:
            syntax = data[element.value : element.end].decode("latin-1").strip("\0 ")
    deflated = syntax == DEFLATED
    if deflated:
        try:
            data = data[:body] + zlib.decompressobj(-15).decompress(data[body:], LARGEST)
        except zlib.error:
            return None
    way = Way(implicit=syntax == IMPLICIT, big=syntax == BIG)
    elements = list(elements_of(data, body, len(data), way))
    return Template(name, data, body, way, deflated, elements, meta) if elements else None


def made(syntax: str) -> bytes:
    """Make an object of about 1.5 KB that has something of everything."""
    way = Way(implicit=syntax == IMPLICIT, big=syntax == BIG)

    def short(value: int) -> bytes:
        return struct.pack(f"{way.order}H", value)

    code = way.element(0x00080100, b"SH", b"C1") + way.element(0x00080104, b"LO", b"meaning ")
    open_item = way.item(code + way.element(0xFFFEE00D, b"", b""), UNDEFINED)
    nested = way.element(0x0040A043, b"SQ", open_item + way.element(0xFFFEE0DD, b"", b""), UNDEFINED)
    rows: list[tuple[int, bytes, bytes]] = [
        (0x00080005, b"CS", b"\\ISO 2022 IR 87 "),
        (0x00080008, b"CS", b"ORIGINAL\\PRIMARY\\"),
        (0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
        (0x00080018, b"UI", b"1.2.3.4\0"),
        (0x00080020, b"DA", b"20260102"),
        (0x00080030, b"TM", b"101112.5"),
        (0x00081032, b"SQ", way.item(code) + way.item(b"") + way.item(nested)),
        (0x00081155, b"UI", b"1.2.3.9\0"),
        (0x00100010, b"PN", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B "),
        (0x00100020, b"LO", b"P-0001"),
        (0x00101002, b"SQ", way.item(way.element(0x00100020, b"LO", b"OTHER "))),
        (0x0020000D, b"UI", b"1.2.3\0"),
        (0x0020000E, b"UI", b"1.2.3.5\0"),
        (0x00280002, b"US", short(1)),
        (0x00280004, b"CS", b"MONOCHROME2 "),
        (0x00280008, b"IS", b"2 "),
        (0x00280010, b"US", short(2)),
        (0x00280011, b"US", short(4)),
        (0x00280100, b"US", short(8)),
        (0x00280103, b"US", short(0)),
        (0x00280106, b"US", short(0)),
        (0x00281050, b"DS", b"40\\400"),
        (0x00410010, b"LO", b"SOMEBODY"),
        (0x00411001, b"UN", b"\1\2\3\4"),
        (0x00411002, b"FD", struct.pack(f"{way.order}2d", 1.5, float("nan"))),
        (0x00411003, b"OW", bytes(6)),
        (0x00420010, b"ST", b"x" * 40),
    ]
    body = b"".join(way.element(*row) for row in rows)
    if syntax == JPEG:
        image = b"\xff\xd8\xff\xe0" + bytes(10) + b"\xff\xd9"
        value = way.item(struct.pack("<2I", 0, 24)) + way.item(image) * 2 + way.element(0xFFFEE0DD, b"", b"")
        body += way.element(_PIXEL_DATA, b"OB", value, UNDEFINED)
    else:
        body += way.element(_PIXEL_DATA, b"OB", bytes(range(16)))
    return file_meta(syntax) + (deflate(body) if syntax == DEFLATED else body)


def file_meta(syntax: str) -> bytes:
    """Write preamble and File Meta."""
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    group = Way().element(0x00020003, b"UI", b"1.2.3.4\0") + Way().element(0x00020010, b"UI", uid)
    return bytes(128) + b"DICM" + Way().element(0x00020000, b"UL", struct.pack("<I", len(group))) + group


def deflate(body: bytes, wbits: int = -15) -> bytes:
    """Deflate a data set; raw, as PS3.5 A.5 has it, or else as `wbits` says."""
    stream = zlib.compressobj(1, wbits=wbits)
    return stream.compress(body) + stream.flush()


@cache
def templates() -> tuple[Template, ...]:
    """Give all templates: those made here, then what real files there are."""
    found = [_template(f"made-{syntax}", made(syntax)) for syntax in (IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG)]
    small = [path for path in real_files() if path.stat().st_size <= LARGEST]
    found += [_template(path.name, path.read_bytes()) for path in small]
    # An object without its identity is refused before anything else can be wrong with it; a few are enough.
    whole = [each for each in found if each and {element.tag for element in each.elements} >= IDENTITY]
    others = [each for each in found if each and each not in whole]
    return (*whole, *others[:10])
