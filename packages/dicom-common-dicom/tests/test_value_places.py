"""The value behind a BulkDataURI: found by ranges, in every encoding, nested too, and never other bytes."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_elements import BIG, DEFLATED, EXPLICIT, SEQUENCE_END, UNDEFINED, item
from made_files import IDENTITY, JPEG, big, data_set, explicit, implicit, meta
from made_frames import Remote

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, ValuePlace, find_value, inflate, read

SHORT, LONG = ReaderSettings(bulk_data_threshold=8), ReaderSettings(bulk_data_threshold=1 << 30)
IMPLICIT = "1.2.840.10008.1.2"


def paths(metadata: dict[str, dict[str, Any]], kind: str, around: str = "") -> Iterator[tuple[str, Any]]:
    for tag, attribute in metadata.items():
        if kind in attribute:
            yield around + tag, attribute
        for number, inner in enumerate(attribute.get("Value", ()) if attribute["vr"] == "SQ" else (), 1):
            yield from paths(inner, kind, f"{around}{tag}.{number}.")


def value_of(data: bytes, place: ValuePlace) -> bytes:
    if place.value is not None:
        return place.value
    source = b"".join(inflate(Remote(data), size=len(data))) if place.inflated else data
    value = source[place.offset : place.offset + place.length]
    assert len(value) == place.length
    return b"".join(value[at : at + place.word][::-1] for at in range(0, len(value), place.word))


def find(data: bytes, path: str, settings: ReaderSettings = SHORT) -> ValuePlace | None:
    return find_value(Remote(data), path, size=len(data), settings=settings)


def test_every_uri_of_every_file_is_the_value_that_the_reader_would_hold(corpus_file: Path) -> None:
    data = corpus_file.read_bytes()
    if len(data) > 3 << 20:
        return
    try:
        outside, inside = (json.loads(read(data, settings=settings).metadata) for settings in (SHORT, LONG))
    except DicomError:
        return
    inline = dict(paths(inside, "InlineBinary"))
    for number, (path, attribute) in enumerate(paths(outside, "BulkDataURI")):
        assert attribute["BulkDataURI"].endswith(f"/bulkdata/{path}")
        if number >= 40:  # some files have thousands
            break
        if path == "7FE00010" and read(data).instance.pixel_data.length is None:  # type: ignore[union-attr]  # it has some
            continue
        place = find(data, path)
        assert place is not None
        assert place.vr == attribute["vr"]
        value = value_of(data, place)
        if path in inline:
            assert value == base64.b64decode(inline[path]["InlineBinary"])
        elif "7FE000" not in path:  # pixel data is never held
            held = find(data, path, LONG)
            assert held is not None
            assert value == held.value


def swapped(value: bytes, width: int) -> bytes:
    return b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))


VALUE = bytes(range(64))


@pytest.mark.parametrize(("vr", "width"), [("OW", 2), ("OF", 4), ("OL", 4), ("OD", 8), ("OV", 8), ("OB", 1), ("US", 2)])
def test_big_endian_is_little_endian(vr: str, width: int) -> None:
    length = struct.pack(">H", 64) if vr == "US" else struct.pack(">HI", 0, 64)
    data = meta(BIG) + b"".join(big(*row) for row in IDENTITY) + struct.pack(">HH", 0x43, 0x1001) + vr.encode()
    data += length + VALUE
    place = find(data, "00431001")
    assert place is not None
    assert place.word == width
    assert value_of(data, place) == swapped(VALUE, width)


@pytest.mark.parametrize(("bits", "width"), [(8, 2), (16, 2), (32, 4), (64, 8)])
def test_pixels_of_more_than_16_bits_are_reversed_as_a_whole(bits: int, width: int) -> None:
    allocated = big(0x00280100, "US", struct.pack(">H", bits))
    data = meta(BIG) + b"".join(big(*row) for row in IDENTITY) + allocated + big(0x7FE00010, "OW", VALUE)
    place = find(data, "7FE00010")
    assert place is not None
    assert value_of(data, place) == swapped(VALUE, width)


def test_what_is_in_a_sequence_of_vr_un_is_little_endian_in_a_big_endian_file() -> None:
    inner = implicit(0x00282000, "OW", VALUE) + implicit(0x54001010, "OW", VALUE)
    unknown = struct.pack(">HH2sHI", 0x0040, 0xA730, b"UN", 0, 8 + len(inner)) + item(inner)
    data = meta(BIG) + b"".join(big(*row) for row in IDENTITY) + unknown
    place = find(data, "0040A730.1.54001010")
    assert place is not None
    assert place.word == 1
    assert value_of(data, place) == VALUE


def nested(write: Any) -> bytes:
    inner = write(0x00091001, "OB", VALUE)
    two = item(b"") + item(write(0x0040A730, "SQ", item(inner) + SEQUENCE_END, UNDEFINED) + inner)
    return data_set(write(0x0040A043, "SQ", two), write=write)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_nested_values(syntax: str) -> None:
    body = nested(implicit if syntax == IMPLICIT else explicit)
    if syntax == DEFLATED:
        deflate = zlib.compressobj(wbits=-15)
        body = deflate.compress(body) + deflate.flush()
    data = meta(syntax) + body
    for path in ("0040A043.2.00091001", "0040A043.2.0040A730.1.00091001"):
        place = find(data, path)
        assert place is not None
        assert place.inflated == (syntax == DEFLATED)
        assert value_of(data, place) == VALUE


@pytest.mark.parametrize(
    "path",
    [
        *("", "7FE00010", "0040A043", "0040A043.2", "0040A043.2.", "0040A043.1.00091001", "0040A043.3.00091001"),
        *("0040A043.0.00091001", "0040A043.02.00091001", "0040a043.2.00091001", "0040A043.2.0040A730.1", "../x"),
        *(
            "0040A043.2.0040A730.1.00091001.1.00091001",
            "0040A043.-1.00091001",
            "0040A043.999999999.00091001",
            " 00080018",
        ),
        *("00080018\n", "00080018.1.00080018", "." * 5000, "0040A043.1." * 5000 + "00091001"),
    ],
)
def test_what_is_not_the_path_of_a_value_is_not_found(path: str) -> None:
    assert find(meta(EXPLICIT) + nested(explicit), path) is None


def test_an_element_without_a_value_is_not_found() -> None:
    data = meta(EXPLICIT) + data_set(explicit(0x00091001, "OB", b""), explicit(0x7FE00010, "OW", b""))
    assert find(data, "00091001") is None
    assert find(data, "7FE00010") is None


def test_a_short_value_is_given_as_it_was_read() -> None:
    place = find(meta(EXPLICIT) + data_set(), "00080018")
    assert place == ValuePlace("UI", 0, 6, 1, inflated=False, value=b"1.2.5\0")


def test_fragments_are_not_one_value() -> None:
    pixels = explicit(0x7FE00010, "OB", item(b"") + item(b"\xff\xd8\xff\xd9") + SEQUENCE_END, UNDEFINED)
    with pytest.raises(DicomError, match="ask for its frames") as caught:
        find(meta(JPEG) + data_set(pixels), "7FE00010")
    assert caught.value.reason == "encapsulated"


def test_of_two_elements_of_a_tag_it_is_the_one_of_the_metadata() -> None:
    body = data_set() + explicit(0x00431001, "OB", VALUE) + explicit(0x00431001, "OB", VALUE[::-1])
    place = find(meta(EXPLICIT) + body, "00431001")
    assert place is not None
    assert value_of(meta(EXPLICIT) + body, place) == VALUE


def test_the_value_itself_is_not_read() -> None:
    data = meta(EXPLICIT) + data_set(explicit(0x7FE00010, "OW", bytes(8 << 20)))
    remote = Remote(data)
    assert find_value(remote, "7FE00010", size=len(data)) is not None
    assert remote.bytes < 300 << 10


def test_what_is_not_deflated_is_not_inflated() -> None:
    data = meta(EXPLICIT) + data_set()
    with pytest.raises(DicomError, match="not deflated"):
        list(inflate(Remote(data), size=len(data)))
