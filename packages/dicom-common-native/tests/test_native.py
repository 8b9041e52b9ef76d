"""The native reader by itself: what it takes, what it leaves to the Python reader, and what it can never do."""

from __future__ import annotations

import struct
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import examples

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reading, read
from dicom_common.dicom._native_engine import _FLAWS, _reader
from dicom_common.native import Reader, walk_fragments

NATIVE, PYTHON = ReaderSettings(engine="native"), ReaderSettings(engine="python")
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HH", 0xFFFE, element) for element in (0xE000, 0xE00D, 0xE0DD))
OPEN = b"\xff\xff\xff\xff"
UIDS = {
    0x00080016: b"1.2.840.10008.5.1.4.1.1.7",
    0x00080018: b"1.2.3.4\0",
    0x0020000D: b"1.2.3\0",
    0x0020000E: b"1.2.5\0",
}
LONG = (b"OB", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV", b"OD", b"OF", b"OL", b"OV")


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    return head + (struct.pack("<HI", 0, size) if vr in LONG else struct.pack("<H", size)) + value


def instance(*more: tuple[int, bytes, bytes], syntax: bytes = b"1.2.840.10008.1.2.1\0") -> bytes:
    """Make a file with an identity and more elements, in explicit VR."""
    rows = {tag: element(tag, b"UI", uid + b"\0" * (len(uid) % 2)) for tag, uid in UIDS.items()}
    rows |= {0x00080060: element(0x00080060, b"CS", b"OT"), 0x00100020: element(0x00100020, b"LO", b"P1")}
    rows |= {0x00080008: element(0x00080008, b"CS", b"ORIGINAL")}
    rows |= {tag: element(tag, vr, value) for tag, vr, value in more}
    meta = element(0x00020010, b"UI", syntax)
    meta = element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta
    return bytes(128) + b"DICM" + meta + b"".join(rows[tag] for tag in sorted(rows))


def reader(settings: ReaderSettings = NATIVE) -> Reader:
    found = _reader(settings)
    assert isinstance(found, Reader)
    return found


def read_alike(data: bytes, settings: ReaderSettings = NATIVE) -> Reading:
    """Read natively, and compare with the Python reader."""
    assert not isinstance(reader(settings).read(data, len(data)), str)
    native, python = read(data, settings=settings), read(data, settings=replace(settings, engine="python"))
    assert (native.instance, native.metadata) == (python.instance, python.metadata)
    return native


def why_not(data: bytes, settings: ReaderSettings = NATIVE) -> str:
    """Tell why the native reader leaves an object to the Python reader."""
    told = reader(settings).read(data, len(data))
    assert isinstance(told, str)
    return told


@pytest.mark.parametrize("name", ["ct", "mr", "rt_dose", "rt_plan", "ybr_color", "palette_color", "overlay"])
def test_files_of_scanners_are_taken(name: str) -> None:
    read_alike(Path(examples.get_path(name)).read_bytes())


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        (b"DS", rb"1.5\-0.25\+7\.5\1e3 "),
        (b"DS", rb"0.1000000000000000055511151231257827\1E-7"),
        (b"DS", b"1,5 "),
        (b"IS", rb"+5\-0\007\2147483648 "),
        (b"IS", b"3.0 "),
        (b"FL", struct.pack("<6f", 0.1, 2097152.25, 1e-7, -0.0, 16777216, float("nan"))),
        (b"FL", struct.pack("<5f", 3.4028235e38, 1e-45, 4194303.75, 999999.9, 123456.79)),
        (b"FD", struct.pack("<6d", 0.1, 1e16, 1e-5, 123456789012345680.0, -0.0, float("-inf"))),
        (b"FD", struct.pack("<4d", 5e-324, 1.7976931348623157e308, 9007199254740993.0, 0.0001)),
        (b"SV", struct.pack("<3q", -(2**53), 2**53 - 1, -(2**63))),
        (b"UV", struct.pack("<2Q", 2**53, 2**64 - 1)),
        (b"SS", struct.pack("<2h", -32768, 32767)),
        (b"US", b"abc"),
        (b"AT", struct.pack("<4H", 0x0008, 0x0010, 0xFFFE, 0xABCD)),
        (b"UN", b"\0\1\2\3\4"),
        (b"OB", bytes(2000)),
        (b"UI", b"1.2.x "),
        (b"UI", rb"1.2\1.3"),
        (b"LO", rb"a\\b\ c "),
        (b"LO", b"x\0secret"),
        (b"LT", b'  "quoted"\\ \r\n\t\x01 '),
        (b"PN", rb"Yamada^Tarou=\=^^=x\A=B=C=D"),
        (b"PN", b" = = "),
        (b"UR", b" urn:x "),
    ],
)
def test_values_are_written_as_the_python_reader_writes_them(vr: bytes, value: bytes) -> None:
    read_alike(instance((0x00189999, vr, value + b" " * (len(value) % 2) * (vr not in (b"US", b"UN")))))


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (b"ISO_IR 192", "Größe Ωμέγα \U0001f600".encode()),
        (b"ISO_IR 100", "Größe".encode("latin-1")),
        (b"ISO_IR 144", "Иванов".encode("iso8859-5")),
        (b"ISO_IR 126 ", "Ωμέγα".encode("iso8859-7")),
        (b"ISO 2022 IR 101", "Łódź".encode("iso8859-2")),
        (b"\\ISO 2022 IR 87", b"ascii only"),
    ],
)
def test_text_of_these_sets_is_decoded(declared: bytes, text: bytes) -> None:
    data = instance((0x00080005, b"CS", declared), (0x00100010, b"PN", text), (0x00081030, b"LO", text))
    assert read_alike(data).instance.patient_name is not None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (instance(syntax=b"1.2.840.10008.1.2.1.99"), "deflated"),
        (instance()[132:], "no preamble"),
        (instance() + element(0x00080005, b"CS", b"ISO_IR 100"), "order"),
        (instance() + element(0x00280010, b"US", b"\1\0", 200), "beyond"),
        (instance((0x00280010, b"ZZ", b"\1\0")), "no VR"),
        (instance((0x00080005, b"CS", b"nothing ")), "character set"),
        (instance((0x00100010, b"PN", b"\x1b$B;3\x1b(B")), "escapes"),
        (instance((0x00100010, b"PN", b"\xe4\xf6")), "another character set"),
        (instance((0x0040A730, b"UN", ITEM + bytes(4))), "under VR UN"),
        (instance((0x00080018, b"UI", b"1..2")), "identity"),
        (b"", "no preamble"),
    ],
)
def test_what_is_not_ordinary_is_left_to_the_python_reader(data: bytes, why: str) -> None:
    assert why in why_not(data)
    verdicts = []
    for settings in (NATIVE, PYTHON):
        try:
            verdicts.append(read(data, settings=settings).metadata)
        except DicomError as refusal:
            verdicts.append(str(refusal.reason).encode())
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("code", ["<HH2sH", ">HH2sH"])
def test_words_have_the_byte_order_of_the_transfer_syntax(code: str) -> None:
    order = code[0]
    rows = [(tag, b"UI", uid + b"\0" * (len(uid) % 2)) for tag, uid in UIDS.items()]
    rows += [(0x00080060, b"CS", b"OT"), (0x00100020, b"LO", b"P1"), (0x00280010, b"US", struct.pack(f"{order}H", 3))]
    rows += [(0x00189087, b"FD", struct.pack(f"{order}2d", 0.5, -2.25)), (0x0018605A, b"FL", b"abc ")]
    rows += [(0x00280009, b"AT", struct.pack(f"{order}2H", 0x0018, 0x1063)), (0x00289110, b"SL", b"odd")]
    body = b"".join(struct.pack(code, *divmod(tag, 1 << 16), vr, len(value)) + value for tag, vr, value in sorted(rows))
    syntax = b"1.2.840.10008.1.2.1\0" if order == "<" else b"1.2.840.10008.1.2.2\0"
    head = instance(syntax=syntax)
    reading = read_alike(head[: read(instance()).instance.data_set_offset] + body)
    assert reading.instance.rows == 3
    assert b'"00280009":{"vr":"AT","Value":["00181063"]}' in reading.metadata


def nested(depth: int, *, open_ones: bool) -> bytes:
    inner = element(0x00080100, b"SH", b"C1")
    for _ in range(depth):
        if open_ones:
            inner = ITEM + OPEN + inner + ITEM_END + bytes(4) + SEQUENCE_END + bytes(4)
            inner = element(0x0040A730, b"SQ", inner, 0xFFFFFFFF)
        else:
            inner = element(0x0040A730, b"SQ", ITEM + struct.pack("<I", len(inner)) + inner)
    return inner


@pytest.mark.parametrize("open_ones", [True, False])
def test_sequences_are_followed_to_the_depth_of_the_settings(*, open_ones: bool) -> None:
    read_alike(instance() + nested(64, open_ones=open_ones))
    assert "deep" in why_not(instance() + nested(65, open_ones=open_ones))


@pytest.mark.parametrize(
    "limits",
    [
        {"max_elements": 5},
        {"max_items": 1},
        {"max_json": 100},
        {"max_values": 3},
        {"max_header": 50},
        {"max_depth": 1},
    ],
)
def test_a_limit_that_is_met_or_near_is_for_the_python_reader(limits: dict[str, Any]) -> None:
    data = instance((0x00189999, b"LO", b"a\\b\\c\\d ")) + nested(2, open_ones=False)
    why_not(data, ReaderSettings(engine="native", **limits))


def test_fragments_are_found_between_the_places_that_are_named() -> None:
    jpeg = b"\xff\xd8\xff\xe0" + bytes(60)
    fragments = ITEM + bytes(4) + (ITEM + struct.pack("<I", len(jpeg)) + jpeg) * 2 + SEQUENCE_END + bytes(4)
    told = walk_fragments(b"ab" + fragments, 2, 2 + len(fragments), 10)
    assert told is not None
    assert struct.unpack("=3Q", told[0]) == (10, 18, 90)
    assert told[2:] == (b"\0\1\1", b"\xff\xd8\xff")
    for data, offset, end, limit in ((fragments, 0, len(fragments) + 1, 10), (fragments, 3, len(fragments), 10)):
        assert walk_fragments(data, offset, end, limit) is None
    assert walk_fragments(fragments, 0, len(fragments), 1) is None
    assert walk_fragments(fragments, 2**63, len(fragments), 1) is None


def test_any_beginning_of_a_file_is_read_without_harm() -> None:
    data = Path(examples.get_path("rt_plan")).read_bytes()
    for end in range(0, len(data), 7):
        reader().read(data[:end], end)
        reader().read(data[:end], len(data))


def test_threads_read_at_once() -> None:
    data = Path(examples.get_path("ct")).read_bytes()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.extend(read(data).metadata for _ in range(50))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {read(data, settings=PYTHON).metadata}
    assert len(found) == 200


def test_each_flaw_of_the_native_reader_has_its_words() -> None:
    assert len(_FLAWS) == 8
