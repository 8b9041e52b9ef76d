"""The changes that the fuzzer makes: it knows elements, lengths, delimiters, pixel data and character sets.

A change is a function that is given the place of an element and gives the bytes for a range; several are applied from
the last to the first, so that the places stay true.
"""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from fuzz_objects import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    UNDEFINED,
    Element,
    Template,
    Way,
    deflate,
    file_meta,
    templates,
)


class Target(NamedTuple):
    """What a change has to do with."""

    chance: random.Random
    template: Template
    data: bytearray
    element: Element
    way: Way


VRS: Final = tuple(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
NO_VRS: Final = (b"??", b"  ", b"\0\0", b"ZZ", b"sq", b"\xff\xff", b"OX", b"U\0")
TAGS: Final = (
    *(0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00100020, 0x00100010, 0x00080020, 0x00280008),
    *(0x00280010, 0x00280100, 0x00280106, 0x7FE00010, 0x7FE00008, 0x7FE00001, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD),
    *(0x00020010, 0x00000002, 0x00080000, 0x00410010, 0x00411001, 0x00411083, 0xFFFCFFFC, 0x00000000, 0xFFFFFFFF),
)
SYNTAXES: Final = (
    *(IMPLICIT, EXPLICIT, BIG, DEFLATED, JPEG, "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.3", ""),
    *("1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.95", "1.2.840.113619.5.2", "1.2.840.10008.1.2.1.98", "x"),
)
CHARACTER_SETS: Final = (
    *(b"ISO_IR 100", b"ISO_IR 192", b"GB18030", b"GBK ", b"\\ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"ISO 2022 GBK"),
    *(b"WINDOWS-1252", b"ISO-8859-5", b"KOI8-R", b"\\" * 60, b"ISO_IR 13\\ISO 2022 IR 159", b"nothing", b"\xff\xfe"),
)
VALUES: Final = (
    *(b"", b" ", b"\0", b"\\", b"\\\\", b"1.0 ", b"3.0 ", b"abc", b"-1", b"1e400", b"NaN", b"99999999999999999999 "),
    *(b"1,5 ", b"1993.04.30", b"11:27:24", b"\x1b$B;3\x1b(B", b"\x1b$)C" + b"\xb1\xe8" * 3, b"\xc3\xa4\xff", b"\xe4"),
    *(b"A=B=C=D=E ", b"^^^^^^^^", b"\xef\xbb\xbfx ", b"\x80\x9f", b"\xd8\0", b"\xed\xa0\x80 ", b"1.2..3", b"../../x "),
    *(b"\x1b" * 50, b"\\" * 500, b"9" * 400, b"x\0y ", b"\r\n\t\x0c", b"\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x80" * 9),
)
SIGNATURES: Final = (
    *(b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\0\0\0\x0cjP  \r\n", b"\0\0\0\x0cJXL ", b"\0\0\1\xb3"),
    struct.pack("<16I", 1, 64, *[0] * 14),
)


def _length(target: Target) -> tuple[int, int, bytes]:
    """Change a length."""
    chance, _, data, element, way = target
    wide = element.value - element.start == 12 or way.implicit or element.tag >> 16 == 0xFFFE
    size, code = (4, "I") if wide else (2, "H")
    at = element.value - size
    now = int.from_bytes(data[at : element.value], "big" if way.big else "little")
    left = max(len(data) - element.value, 0)
    new = chance.choice(
        (
            *(0, 1, now + 1, now - 1, now + 2, now - 2, now + 8, now // 2, now * 2, left, left + 1, 0xFFFF),
            *(UNDEFINED, UNDEFINED, 0xFFFFFFFE, 0x7FFFFFFF, chance.randrange(1 << 16), (now & 0xFF) << 8 | now >> 8),
        )
    )
    return at, element.value, struct.pack(f"{way.order}{code}", new & (UNDEFINED if wide else 0xFFFF))


def _vr(target: Target) -> tuple[int, int, bytes]:
    """Change the letters of a VR; an implicit one becomes explicit so."""
    chance, start = target.chance, target.element.start
    return start + 4, start + 6, chance.choice(NO_VRS if chance.random() < 0.4 else VRS)


def _tag(target: Target) -> tuple[int, int, bytes]:
    """Change a tag."""
    chance, element = target.chance, target.element
    tag = chance.choice((*TAGS, element.tag ^ 1, element.tag + 1, element.tag ^ 1 << 16, chance.getrandbits(32)))
    order = target.way.order if chance.random() < 0.9 else "<>"[target.way.order == "<"]
    return element.start, element.start + 4, struct.pack(f"{order}HH", tag >> 16 & 0xFFFF, tag & 0xFFFF)


def _remove(target: Target) -> tuple[int, int, bytes]:
    """Take an element, an item's header or a delimiter out."""
    return target.element.start, target.element.end, b""


def _copy(target: Target) -> tuple[int, int, bytes]:
    """Write another element of the object before this one: again, or with another value."""
    chance, template, data, element, way = target
    other = chance.choice(template.elements)
    value = bytes(data[other.value : other.end])
    if chance.random() < 0.5 and value:
        value = bytes(byte ^ 1 for byte in value)
    return element.start, element.start, way.element(other.tag, other.vr, value)


def _identity(target: Target) -> tuple[int, int, bytes]:
    """Write a second identity, or one in another place."""
    chance, element, way = target.chance, target.element, target.way
    tag = chance.choice((0x00080016, 0x00080018, 0x00100020, 0x0020000D, 0x0020000E))
    value = chance.choice((b"9.8.7\0", b"1.2.3\0", b"OTHER ", b"", b"1.2.840.10008.5.1.4.1.1.2\0"))
    vr = b"LO" if tag == 0x00100020 else b"UI"
    if chance.random() < 0.2:
        vr = chance.choice((b"UN", b"LO", b"OB", b"US", b"??"))
    return element.start, element.start, way.element(tag, vr, value)


def _delimiter(target: Target) -> tuple[int, int, bytes]:
    """Write an item or a delimiter."""
    chance, element = target.chance, target.element
    way = target.way if chance.random() < 0.85 else Way(big=not target.way.big)
    at = chance.choice((element.start, element.value, element.end))
    length = chance.choice((0, 0, 0, UNDEFINED, 8, 4, 100))
    return at, at, way.element(chance.choice((0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)), b"", b"", length)


def _cut(target: Target) -> tuple[int, int, bytes]:
    """End the object here."""
    element = target.element
    at = target.chance.choice((element.start, element.value, element.end, (element.value + element.end) // 2))
    return at - target.chance.choice((0, 0, 1, 2, 3)), len(target.data), b""


def _splice(target: Target) -> tuple[int, int, bytes]:
    """Write a part of another object here, as that object writes it."""
    chance, element = target.chance, target.element
    donor = chance.choice(templates())
    first = chance.randrange(len(donor.elements))
    last = min(first + chance.choice((1, 3, 10, 1000)), len(donor.elements)) - 1
    end = element.start if chance.random() < 0.7 else len(target.data)
    part = donor.data[donor.elements[first].start : donor.elements[last].end]
    return element.start, end, part[: 1 << 16]


def _noise(target: Target) -> tuple[int, int, bytes]:
    """Change single bytes."""
    chance, element = target.chance, target.element
    at = chance.randrange(element.start, max(element.end, element.start + 1))
    kind = chance.randrange(3)
    if kind == 0:
        return at, at + 1, bytes(byte ^ 1 << chance.randrange(8) for byte in target.data[at : at + 1])
    return at, at + (kind == 1) * chance.randrange(9), chance.randbytes(chance.randrange(9))


def _value(target: Target) -> tuple[int, int, bytes]:
    """Give an element another value, with its true length."""
    chance, _, _, element, way = target
    value = chance.choice(CHARACTER_SETS if element.tag == 0x00080005 or chance.random() < 0.1 else VALUES)
    if chance.random() < 0.05:
        value *= chance.choice((10, 100, 1000))
    if element.tag >> 16 == 0xFFFE:
        return element.start, element.value, way.item(value)
    tag = 0x00080005 if chance.random() < 0.05 else element.tag
    return element.start, element.end, way.element(tag, element.vr or b"UN", value)


def _wrap(target: Target) -> tuple[int, int, bytes]:
    """Put an element into a sequence, once or very deep, or behind VR UN."""
    chance, _, data, element, way = target
    inner = bytes(data[element.start : element.end])
    inside = way if chance.random() < 0.6 else Way(implicit=not way.implicit)
    vr = chance.choice((b"SQ", b"SQ", b"UN", b"OB", b"??"))
    for _ in range(chance.choice((1, 1, 2, 3, 20, 70))):
        if chance.random() < 0.5:
            inner = way.element(chance.choice((0x0040A730, 0x00411083, 0x00082112)), vr, inside.item(inner))
        else:
            inner = inside.item(inner, UNDEFINED) + inside.element(0xFFFEE00D, b"", b"")
            inner = way.element(0x0040A730, vr, inner + way.element(0xFFFEE0DD, b"", b""), UNDEFINED)
    return element.start, element.end, inner


def _zeros(target: Target) -> tuple[int, int, bytes]:
    """Write zeros between two elements."""
    return target.element.start, target.element.start, bytes(target.chance.choice((1, 2, 6, 8, 12, 64, 5000)))


def _pixels(target: Target) -> tuple[int, int, bytes]:
    """Write pixel data of some form."""
    chance, element, way = target.chance, target.element, target.way
    inside = way if chance.random() < 0.5 else Way(big=chance.random() < 0.2)
    image = chance.choice((*SIGNATURES, b"", bytes(range(16)))) + chance.randbytes(chance.choice((0, 1, 8, 9, 300)))
    image += chance.choice((b"", b"\xff\xd9", b"\xff\xd9\0"))
    count = chance.choice((0, 1, 1, 2, 3, 40))
    table = chance.choice((None, b"", bytes(4), struct.pack("<2I", 0, len(image) + 8), b"\1\2\3", chance.randbytes(8)))
    value = b"" if table is None else inside.item(table)
    value += inside.item(image) * count + chance.choice((b"", inside.element(0xFFFEE0DD, b"", b"")))
    if chance.random() < 0.3:
        value = image * count
    length = UNDEFINED if chance.random() < 0.6 else None
    tag = chance.choice((0x7FE00010, 0x7FE00010, 0x7FE00010, 0x7FE00008, 0x00880200))
    frames = way.element(0x00280008, b"IS", chance.choice((b"", b"1 ", b"2 ", b"3.0 ", b"abc ", b"-2", b"1000000 ")))
    before = frames if chance.random() < 0.4 else b""
    return element.start, element.end, before + way.element(tag, chance.choice((b"OB", b"OW", b"UN")), value, length)


CHANGES: Final[tuple[Callable[[Target], tuple[int, int, bytes]], ...]] = (
    *(_length, _length, _length, _vr, _vr, _tag, _tag, _remove, _copy, _identity, _delimiter, _delimiter, _cut),
    *(_splice, _noise, _noise, _value, _value, _wrap, _zeros, _pixels),
)


class Changed(NamedTuple):
    """A changed object, and how to speak of it."""

    name: str
    changes: tuple[str, ...]
    data: bytes


def changed(seed: int) -> Changed:
    """Make the changed object of a number: always the same one, as long as the real files are the same."""
    chance = random.Random(seed)
    known = templates()
    template = known[chance.randrange(5)] if chance.random() < 0.25 else chance.choice(known)
    data = bytearray(template.data)
    told = []
    count = chance.choice((1, 1, 1, 2, 2, 3, 5))
    targets = [_pick(chance, template) for _ in range(count)]
    for element in sorted(targets, key=lambda element: element.start, reverse=True):
        way = Way() if element.start < template.body else template.way
        change = chance.choice(CHANGES)
        start, end, new = change(Target(chance, template, data, element, way))
        data[max(start, 0) : max(end, start, 0)] = new
        told.append(f"{change.__name__.strip('_')} at {element.start} ({element.tag:08X})")
    return Changed(template.name, tuple(told), _outside(chance, template, data, told))


def _pick(chance: random.Random, template: Template) -> Element:
    """Choose an element: of the File Meta, one that matters to the identity, or any."""
    if template.meta and chance.random() < 0.08:
        return chance.choice(template.meta)
    if chance.random() < 0.15:
        known = [element for element in template.elements if element.tag in TAGS]
        if known:
            return chance.choice(known)
    return chance.choice(template.elements)


def _outside(chance: random.Random, template: Template, data: bytearray, told: list[str]) -> bytes:
    """Change what is around the data set: File Meta, preamble, deflation."""
    meta, body = bytes(data[: template.body]), bytes(data[template.body :])
    kind = chance.random()
    if kind < 0.03:
        told.append("another transfer syntax")
        return file_meta(chance.choice(SYNTAXES)) + body
    if kind < 0.05:
        told.append("deflated in some way")
        wbits = chance.choice((-15, -15, 15))
        stream = gzip.compress(body, 1) if chance.random() < 0.1 else deflate(body, wbits)
        stream = stream[: chance.choice((len(stream), len(stream), len(stream) // 2, 3))]
        return file_meta(chance.choice((DEFLATED, DEFLATED, EXPLICIT))) + stream + bytes(chance.choice((0, 1)))
    if kind < 0.07 and meta:
        told.append("a piece of the front is missing")
        return meta[chance.choice((128, 132, 1, len(meta), 200)) :] + body
    if template.deflated:
        return meta + deflate(body)
    return meta + body
