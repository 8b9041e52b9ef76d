"""Every instance that is taken has valid DICOM JSON, whatever its VRs, lengths and values are."""

from __future__ import annotations

import json
import random
import re
import struct
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reading, read
from dicom_common.dicom._heads import VRS

LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
TAGS = (
    *(0x00080005, 0x00080008, 0x00080060, 0x00100010, 0x00081140, 0x00200052, 0x00280010, 0x00280103, 0x00280106),
    *(0x00281052, 0x00283002, 0x00410010, 0x00411001, 0x54000110, 0x60003000, 0x7FE00008, 0x7FE00010, 0x00189087),
)
VALUES = (
    *(b"", b"a", b"abc", bytes(3), b"1\\2 ", b"\xff" * 8, b'"\\\x01\x1b', b"=^=\\=", b"ISO_IR 100", bytes(2000)),
    b"\xe9 " * 600,
)


def element(tag: int, vr: str, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


IDS = (
    (0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0"),
    (0x00080018, b"1.2.5\0"),
    (0x0020000D, b"1.2.3\0"),
    (0x0020000E, b"1.2.4\0"),
)


def reading(*elements: bytes, settings: ReaderSettings | None = None) -> Reading:
    """Read a data set of these elements and an identity."""
    everything = [*(element(tag, "UI", value) for tag, value in IDS), *elements]
    everything.sort(key=lambda data: struct.unpack("<HH", data[:4]))
    group = element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0")
    meta = element(0x00020000, "UL", struct.pack("<I", len(group))) + group
    return read(bytes(128) + b"DICM" + meta + b"".join(everything), settings=settings or ReaderSettings())


_KEY = re.compile(r"[0-9A-F]{8}")
_STRINGS = frozenset(("AE", "AS", "AT", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_NUMBERS = frozenset(("FL", "FD", "SL", "SS", "UL", "US"))
_EITHER = frozenset(("DS", "IS", "SV", "UV"))
_BYTES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_NOT_FINITE = frozenset(("NaN", "inf", "-inf"))
_BULK = _BYTES | _NUMBERS | _EITHER | {"LT", "ST", "UC", "UT"}
_GROUPS = frozenset(("Alphabetic", "Ideographic", "Phonetic"))


def checked(data: bytes) -> dict[str, Any]:
    """Give the object that these bytes are, and assert that it is one of the DICOM JSON Model."""
    text = data.decode("utf-8")
    text.encode("utf-8")
    tree = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    _check(tree)
    return dict(tree)


def _refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _check(tree: object) -> None:
    assert isinstance(tree, dict)
    assert list(tree) == sorted(tree)
    for key, attribute in tree.items():
        assert _KEY.fullmatch(key)
        assert key[4:] != "0000"
        assert key[:4] not in ("0000", "0002", "FFFE")
        _check_attribute(key, attribute)


def _check_attribute(key: str, attribute: object) -> None:
    assert isinstance(attribute, dict)
    vr = attribute.get("vr")
    assert vr in _STRINGS | _NUMBERS | _EITHER | _BYTES | {"PN", "SQ"}, key
    rest = set(attribute) - {"vr"}
    assert len(rest) <= 1, key
    match rest.pop() if rest else None:
        case "Value":
            values = attribute["Value"]
            assert isinstance(values, list)
            assert values, key
            assert vr not in _BYTES, key
            assert all(_is_value(vr, value) for value in values), key
        case "InlineBinary":
            assert vr in _BYTES, key
            assert b64decode(attribute["InlineBinary"], validate=True), key
        case "BulkDataURI":
            assert vr in _BULK, key
            assert isinstance(attribute["BulkDataURI"], str)
        case other:
            assert other is None, key
    if key == "00080005":
        assert attribute == {"vr": "CS", "Value": ["ISO_IR 192"]}


def _is_value(vr: str, value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if vr == "SQ":
        _check(value)
        fits = True
    elif value is None:
        fits = vr in _STRINGS | _EITHER | {"PN"}
    elif vr == "PN":
        fits = isinstance(value, dict) and value.keys() <= _GROUPS and all(isinstance(v, str) for v in value.values())
    elif vr == "AT":
        fits = isinstance(value, str) and _KEY.fullmatch(value) is not None
    elif vr in _STRINGS:
        fits = isinstance(value, str)
    elif vr in _NUMBERS:
        fits = number or (vr in ("FL", "FD") and value in _NOT_FINITE)
    else:
        fits = number or isinstance(value, str)
    return fits


@pytest.mark.parametrize("vr", sorted(VRS))
def test_any_vr_on_any_tag_with_any_value(vr: str) -> None:
    for tag in TAGS:
        for value in VALUES:
            elements = [element(tag, vr, value)]
            if tag != 0x00280103:
                elements.append(element(0x00280103, "US", b"\1\0"))
            try:
                top, inside = reading(*elements), reading(element(0x0040A730, "SQ", item(b"".join(elements))))
            except DicomError:  # a sequence that holds none, for instance
                continue
            checked(top.metadata)
            checked(inside.metadata)


@pytest.mark.parametrize("value", [b"abc", b"a", b"\1\0\2\0\3"])
@pytest.mark.parametrize("tag", [0x00280106, 0x00280107, 0x00280120, 0x00283002, 0x00409211])
@pytest.mark.parametrize("signed", [0, 1])
def test_a_vr_that_depends_on_pixel_representation_and_a_wrong_length(tag: int, value: bytes, signed: int) -> None:
    implicit = b"".join(
        struct.pack("<HHI", key >> 16, key & 0xFFFF, len(data)) + data
        for key, data in [
            *IDS,
            *sorted([(0x00280103, struct.pack("<H", signed)), (tag, value)]),
        ]
    )
    result = read(implicit)
    assert checked(result.metadata)[f"{tag:08X}"] == {"vr": "SS" if signed else "US"}
    assert "length" in {finding.rule for finding in result.instance.warnings}


def places(data: bytes, start: int) -> Iterator[tuple[int, str]]:
    """Walk over the explicit VR elements of a data set, those of items too: where each begins, and its VR."""
    position = start
    while position + 8 <= len(data):
        if data[position : position + 2] == b"\xfe\xff":
            position += 8
            continue
        vr = data[position + 4 : position + 6].decode("latin-1")
        if vr not in VRS:
            return
        yield position, vr
        if vr in LONG:
            length = struct.unpack_from("<I", data, position + 8)[0]
            position += 12 + (0 if vr == "SQ" or length == 0xFFFFFFFF else length)
        else:
            position += 8 + struct.unpack_from("<H", data, position + 6)[0]


def verdict(data: bytes) -> None:
    try:
        result = read(data)
    except DicomError:
        return
    checked(result.metadata)


def mutations(data: bytes, chance: random.Random, count: int) -> Iterator[bytes]:
    found = list(places(data, read(data).instance.data_set_offset))
    for _ in range(count):
        changed = bytearray(data)
        for position, vr in chance.sample(found, min(len(found), chance.randint(1, 3))):
            match chance.randrange(4):
                case 0 | 1:  # other letters, with a header of the same length
                    same = [name for name in VRS if (name in LONG) == (vr in LONG)]
                    changed[position + 4 : position + 6] = chance.choice(same).encode()
                case 2:  # a length that is a little off
                    changed[position + 6] = (changed[position + 6] + chance.choice((1, 2, 255, 254))) % 256
                case _:  # the tag of something else
                    changed[position : position + 4] = struct.pack("<HH", *divmod(chance.choice(TAGS), 1 << 16))
        yield bytes(changed)


def test_mutations_of_files_give_valid_json_or_a_refusal(corpus_files: tuple[Path, ...], heavy: int) -> None:
    chance = random.Random(20261128)
    files = []
    for path in corpus_files:
        if path.stat().st_size < 20_000:
            data = path.read_bytes()
            try:
                read(data)
            except DicomError:
                continue
            files.append(data)
    chosen = files if heavy > 1 else chance.sample(files, min(20, len(files)))
    for data in chosen:
        for changed in mutations(data, chance, 25 * heavy):
            verdict(changed)


def test_every_file_of_the_corpus_has_valid_json(corpus_file: Path) -> None:
    verdict(corpus_file.read_bytes())


def test_the_settings_do_not_change_that() -> None:
    settings = ReaderSettings(numbers_as="string", bulk_data_threshold=1 << 16)
    for vr in sorted(VRS - {"SQ"}):
        for value in VALUES:
            checked(reading(element(0x00091001, vr, value), settings=settings).metadata)
