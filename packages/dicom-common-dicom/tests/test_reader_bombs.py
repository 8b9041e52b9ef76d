"""Bombs: small inputs that are made to use up memory, time or the stack are refused, in a child that is measured."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, read

MEGABYTE = 1 << 20
HANG_GUARD = 60  # seconds; a refusal takes well under one
CHILD = """
import json, resource, sys, time
from pathlib import Path
from dicom_common.core import DicomError
from dicom_common.dicom import read

def peak():
    # Give the peak of resident memory in KB. ru_maxrss begins with that of the parent; VmHWM (Linux) does not.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

read(Path(sys.argv[1]))  # what the first reading imports and builds is not the bomb's
before = peak()
begin = time.process_time()
try:
    read(Path(sys.argv[2])).metadata
    reason = None
except DicomError as refusal:
    reason = refusal.reason
took = time.process_time() - begin
after = peak()
print(json.dumps({"reason": reason, "kilobytes": after - before, "seconds": took}))
"""

IMPLICIT, EXPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in {b"OB", b"OW", b"SQ", b"UN"}:
        return head + struct.pack("<2xI", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


UIDS = ((0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0"), (0x00080018, b"1.2.34"), (0x0020000D, b"1.2.34"))
SERIES = (0x0020000E, b"1.2.34")


def identity(*, is_implicit: bool = False) -> bytes:
    pairs = (*UIDS, SERIES)
    return b"".join(implicit(*pair) if is_implicit else explicit(pair[0], b"UI", pair[1]) for pair in pairs)


def dicom_file(syntax: str, data_set: bytes) -> bytes:
    uid = syntax.encode()
    meta = explicit(0x00020010, b"UI", uid + b"\0" * (len(uid) % 2))
    return bytes(128) + b"DICM" + explicit(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta + data_set


DEPTH = 100_000


def nested_undefined_lengths() -> bytes:
    level = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return dicom_file(EXPLICIT, identity() + level * DEPTH)


def nested_and_closed() -> bytes:
    level = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return dicom_file(EXPLICIT, identity() + level * DEPTH + closing * DEPTH)


def nested_implicit() -> bytes:
    level = b"\x40\x00\x30\xa7\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return dicom_file(IMPLICIT, identity(is_implicit=True) + level * DEPTH)


def nested_unknown() -> bytes:
    """Private UN of undefined length: its content is implicit VR (PS3.5 6.2.2), here more of the same."""
    creator = explicit(0x00410010, b"LO", b"BOMB")
    first = b"\x41\x00\x01\x10UN\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    level = b"\x41\x00\x01\x10\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return dicom_file(EXPLICIT, identity() + creator + first + level * DEPTH)


def nested_defined_lengths() -> bytes:
    size = 20 * DEPTH
    levels = b"".join(
        b"\x40\x00\x30\xa7SQ\0\0"
        + struct.pack("<I", size - 20 * n - 12)
        + b"\xfe\xff\x00\xe0"
        + struct.pack("<I", size - 20 * n - 20)
        for n in range(DEPTH)
    )
    return dicom_file(EXPLICIT, identity() + levels)


def deflated(chunks: Iterator[bytes]) -> bytes:
    stream = zlib.compressobj(9, wbits=-15)
    return dicom_file(DEFLATED, b"".join(map(stream.compress, chunks)) + stream.flush())


def deflated_zeros() -> bytes:
    return deflated(bytes(MEGABYTE) for _ in range(100))


def deflated_long_value() -> bytes:
    stream = zlib.compressobj(9, wbits=-15)
    start = stream.compress(identity() + struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", 600 * MEGABYTE))
    start += stream.flush(zlib.Z_FULL_FLUSH)
    # Behind a full flush, each piece is the same.
    piece = stream.compress(bytes(MEGABYTE)) + stream.flush(zlib.Z_FULL_FLUSH)
    return dicom_file(DEFLATED, start + piece * 600 + stream.flush())


def deflated_elements() -> bytes:
    element = explicit(0x00100020, b"LO", b"")

    def chunks() -> Iterator[bytes]:
        yield identity()
        yield from (element * (MEGABYTE // 8) for _ in range(100))

    return deflated(chunks())


def deflated_text_below_the_ratio() -> bytes:
    """Many long values, none of which is bulk data."""
    noise = bytes(range(32, 92)) * 1000

    def chunks() -> Iterator[bytes]:
        yield identity()
        for group in range(0x0031, 0x1031, 2):
            yield explicit(group << 16 | 0x10, b"LO", b"BOMB") + explicit(group << 16 | 0x1001, b"LO", noise)

    return deflated(chunks())


def many_elements() -> bytes:
    return dicom_file(EXPLICIT, identity() + explicit(0x00410010, b"LO", b"") * 1_100_000)


def many_items() -> bytes:
    return dicom_file(EXPLICIT, identity() + explicit(0x0040A730, b"SQ", b"\xfe\xff\x00\xe0\0\0\0\0" * 1_100_000))


def many_fragments() -> bytes:
    head = struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF)
    items = b"\xfe\xff\x00\xe0\0\0\0\0" * 1_100_000
    return dicom_file("1.2.840.10008.1.2.4.50", identity() + head + items + b"\xfe\xff\xdd\xe0\0\0\0\0")


def huge_length(vr: bytes) -> bytes:
    return dicom_file(
        EXPLICIT, identity() + struct.pack("<HH", 0x0041, 0x1001) + vr + struct.pack("<2xI", 0xFFFFFFF0) + b"abc"
    )


def repeated(vr: bytes, value: bytes) -> bytes:
    """Make a data set of some 60 MB of one value, in items."""
    one = b"\xfe\xff\x00\xe0" + struct.pack("<I", 8 + len(value)) + explicit(0x00411001, vr, value)
    return dicom_file(EXPLICIT, identity() + explicit(0x0040A730, b"SQ", one * (60 * MEGABYTE // len(one))))


def nested(content: bytes, depth: int) -> bytes:
    for _ in range(depth):
        content = explicit(0x0040A730, b"SQ", b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content)
    return dicom_file(EXPLICIT, identity() + content)


def items_of(contents: Iterator[bytes]) -> bytes:
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content for content in contents)
    return dicom_file(EXPLICIT, identity() + explicit(0x0040A730, b"SQ", items))


def bulk_items() -> bytes:
    content = explicit(0x00420011, b"OB", bytes(1026))
    return explicit(0x0040A730, b"SQ", (b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content) * 50_000)


def character_sets() -> bytes:
    """Give each item a Specific Character Set of its own, of many terms."""
    text = explicit(0x00080100, b"SH", b"\xe9 ")
    sets = (b"\\".join(b"X%06d-%d" % (number, term) for term in range(32)) for number in range(50_000))
    return items_of(explicit(0x00080005, b"CS", one + b" " * (len(one) % 2)) + text for one in sets)


def private_creators() -> bytes:
    element = explicit(0x00411001, b"UN", b"")
    return items_of(explicit(0x00410010, b"LO", b"C%07d" % number) + element for number in range(400_000))


def distinct_tags(vr: bytes = b"LO", value: bytes = b"", count: int = 320_000) -> bytes:
    return dicom_file(EXPLICIT, identity() + b"".join(explicit(0x00431000 + n, vr, value) for n in range(count)))


def tags_that_differ_in_items() -> bytes:
    items = []
    for first in range(0x00431000, 0x0043F000, 70):
        item = b"".join(explicit(first + n, b"LO", b"x ") for n in range(70))
        items.append(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item)
    return dicom_file(EXPLICIT, identity() + explicit(0x0040A730, b"SQ", b"".join(items)) + many_elements()[400:])


def wrong_lengths_of_sequences() -> bytes:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 10) + explicit(0x00080100, b"SH", b"C1")
    sequences = [struct.pack("<HH2s2xI", 0x0043, 0x1000 + n, b"SQ", 8) + item for n in range(40_000)]
    return dicom_file(EXPLICIT, identity() + b"".join(sequences))


def zeros_between_elements() -> bytes:
    elements = [explicit(0x00431000 + n, b"LO", b"x ") + bytes(16) for n in range(40_000)]
    return dicom_file(EXPLICIT, identity() + b"".join(elements))


BOMBS: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "nested, undefined lengths": (nested_undefined_lengths, {"too-deep"}),
    "nested, closed again": (nested_and_closed, {"too-deep"}),
    "nested, implicit VR": (nested_implicit, {"too-deep"}),
    "nested, private unknown": (nested_unknown, {"too-deep"}),
    "nested, defined lengths": (nested_defined_lengths, {"too-deep"}),
    "deflated zeros": (deflated_zeros, {"missing-uid"}),
    "deflated long value": (deflated_long_value, {"inflates-too-much"}),
    "deflated elements": (deflated_elements, {"inflates-too-much", "too-many-elements"}),
    "deflated texts": (deflated_text_below_the_ratio, {"inflates-too-much", "too-large"}),
    "many elements": (many_elements, {"too-many-elements"}),
    "many items": (many_items, {"too-many-items", "too-many-elements"}),
    "many fragments": (many_fragments, {"too-many-items"}),
    "values of text": (lambda: repeated(b"LO", b"A\\" * 32_000), {"too-many-values"}),
    "component groups": (lambda: repeated(b"PN", b"\xe9=A\\" * 16_000), {"too-many-values"}),
    "escapes": (lambda: repeated(b"LO", b"\x1b$)C\xb0\xa1" * 10_000), {"too-many-values"}),
    "damaged escapes": (lambda: repeated(b"PN", b"\x1b$B\x7e\x7e0" * 10_000), {"too-many-values"}),
    "delimiters behind an escape": (lambda: repeated(b"LO", b"\x1b(B" + b"\\" * 60_000), {"too-many-values"}),
    "control characters": (lambda: repeated(b"LO", b"\x01" * 60_000), {"too-much-json"}),
    "unusual numbers": (lambda: repeated(b"DS", b"+1.5e-3\\" * 100), {"too-many-values"}),
    "singles": (lambda: repeated(b"FL", struct.pack("<f", 0.1234567) * 250), {"too-many-values"}),
    "tags as values": (lambda: repeated(b"AT", bytes(60_000)), {"too-much-json"}),
    "deep BulkDataURIs": (lambda: nested(bulk_items(), 60), {"too-much-json"}),
    "character sets": (character_sets, {"too-many-values"}),
    "private creators": (private_creators, {"too-many-elements", "too-many-items"}),
    "distinct tags": (distinct_tags, {"too-many-elements"}),
    "no sequences": (lambda: distinct_tags(b"SQ", b"abcdefgh"), {"too-many-elements"}),
    "tags that differ in items": (tags_that_differ_in_items, {"too-many-elements"}),
    "wrong lengths of sequences": (wrong_lengths_of_sequences, {"truncated", "too-many-elements"}),
    "zeros between elements": (zeros_between_elements, {"malformed"}),
    "pieces of no character set": (lambda: repeated(b"PN", b"\x92=" * 30_000), {"too-many-values"}),
    "huge declared OB": (lambda: huge_length(b"OB"), {"truncated"}),
    "huge declared SQ": (lambda: huge_length(b"SQ"), {"truncated"}),
    "huge declared UN": (lambda: huge_length(b"UN"), {"truncated"}),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_two_hundred_megabytes(name: str, tmp_path: Path) -> None:
    make, reasons = BOMBS[name]
    harmless, bomb = tmp_path / "harmless.dcm", tmp_path / "bomb.dcm"
    harmless.write_bytes(dicom_file(EXPLICIT, identity()))
    bomb.write_bytes(make())
    child = subprocess.run(
        [sys.executable, "-c", CHILD, harmless, bomb], capture_output=True, check=False, timeout=HANG_GUARD
    )
    assert child.returncode == 0, child.stderr.decode()[-2000:]
    result = json.loads(child.stdout)
    print(name, result)
    assert result["reason"] in reasons
    assert result["kilobytes"] < 200 * 1024
    assert result["seconds"] < 20  # of the processor; a tenth of it where nothing else runs


def test_a_multi_frame_object_of_very_many_elements_is_read() -> None:
    """As ordinary ones of 5,000 frames have them: more elements than there may be of different tags."""

    def frame(number: int) -> bytes:
        place = explicit(0x00209056, b"SH", b"1 ") + explicit(0x00209157, b"UL", struct.pack("<2I", 1, number))
        position = explicit(0x00200032, b"DS", b"%-8d" % number + b"\\1\\2 ")
        item = b"".join(
            explicit(tag, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value)
            for tag, value in ((0x00209111, place), (0x00209113, position), (0x00209116, position), (0x00289110, place))
        )
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item

    data = dicom_file(EXPLICIT, identity() + explicit(0x52009230, b"SQ", b"".join(map(frame, range(6000)))))
    found = read(data)
    assert not found.instance.warnings
    assert found.metadata.count(b'"00209157"') == 12_000


GROWTH = """
import sys
from pathlib import Path
from dicom_common.dicom import read

def resident():
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0])

data = Path(sys.argv[1]).read_bytes()
at = data.index(b"@@@@")
long = data.index(b"####")
for number in range(500):
    made = bytearray(data)
    made[at : at + 4] = made[long : long + 4] = b"%04d" % number
    read(bytes(made))
    if number == 20:
        before = resident()
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux how much memory is resident")
def test_what_is_remembered_of_many_files_is_bounded(tmp_path: Path) -> None:
    """Each file has a private creator, codes, numbers and a time of its own, all of them long."""
    code = b"####" + b"A" * 60_000
    file = tmp_path / "file.dcm"
    file.write_bytes(
        dicom_file(
            EXPLICIT,
            explicit(0x00080005, b"CS", code)
            + explicit(0x00080008, b"CS", code)
            + b"".join(explicit(*pair[:1], b"UI", pair[1]) for pair in UIDS[:2])
            + explicit(0x00080030, b"TM", b"101112" + b" " * 60_000)
            + explicit(0x00080060, b"CS", code)
            + b"".join(explicit(pair[0], b"UI", pair[1]) for pair in (UIDS[2], SERIES))
            + explicit(0x00200032, b"DS", b"1\\2\\3" + b" " * 4000)
            + explicit(0x00410010, b"LO", b"@@@@" + b"C" * 60_000)
            + b"".join(explicit(0x00411000 + n, b"UN", b"abcd") for n in range(20)),
        )
    )
    child = subprocess.run([sys.executable, "-c", GROWTH, file], capture_output=True, check=False, timeout=HANG_GUARD)
    assert child.returncode == 0, child.stderr.decode()[-2000:]
    assert int(child.stdout) < 40 * 1024


def test_the_setting_that_a_refusal_of_many_tags_names_lets_them_through() -> None:
    data = distinct_tags(count=60_000)
    with pytest.raises(DicomError, match=r"raise reader\.max_elements"):
        read(data)
    metadata = read(data, settings=ReaderSettings(max_elements=4_000_000)).metadata
    assert metadata.count(b'"0043') == 60_000
