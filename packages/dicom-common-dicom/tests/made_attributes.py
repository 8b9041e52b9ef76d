"""Elements in either byte order, and the attributes of DICOM JSON that the reader makes of them."""

from __future__ import annotations

import json
import struct
from typing import Any, NoReturn

from made_elements import BIG, EXPLICIT

from dicom_common.dicom import ReaderSettings, Reading, read

LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
BASE = "studies/1.2.3/series/1.2.4/instances/1.2.5/bulkdata/"


def element(tag: int, vr: str, value: bytes, *, order: str = "<") -> bytes:
    letters = vr.encode()
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + letters
    if letters in LONG:
        return head + struct.pack(f"{order}HI", 0, len(value)) + value
    return head + struct.pack(f"{order}H", len(value)) + value


def reading(*elements: bytes, order: str = "<", settings: ReaderSettings | None = None) -> Reading:
    """Read a data set of these elements and an identity, sorted by tag unless an element is repeated."""
    ids = [
        element(tag, "UI", value, order=order)
        for tag, value in [
            (0x00080016, b"1.2.840.10008.5.1.4.1.1.7"),
            (0x00080018, b"1.2.5"),
            (0x0020000D, b"1.2.3"),
            (0x0020000E, b"1.2.4"),
        ]
    ]
    everything = sorted([*ids, *elements], key=lambda data: struct.unpack(f"{order}HH", data[:4]))
    syntax = (BIG if order == ">" else EXPLICIT).encode()
    group = element(0x00020010, "UI", syntax + b"\0" * (len(syntax) % 2))
    meta = element(0x00020000, "UL", struct.pack("<I", len(group))) + group
    data = bytes(128) + b"DICM" + meta + b"".join(everything)
    return read(data, settings=settings or ReaderSettings())


def refuse(text: str) -> NoReturn:
    raise ValueError(text)


def attributes(result: Reading) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(result.metadata, parse_constant=refuse)
    return parsed


def one(tag: int, vr: str, value: bytes, **settings: Any) -> Any:
    """Give the attribute that a value becomes."""
    result = reading(element(tag, vr, value), settings=ReaderSettings(**settings))
    return attributes(result)[f"{tag:08X}"]


def rules(result: Reading) -> set[tuple[str, str]]:
    return {(finding.tag, finding.rule) for finding in result.instance.warnings}
