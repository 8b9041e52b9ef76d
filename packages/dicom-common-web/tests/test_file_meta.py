"""What goes out is a DICOM file that others can read, however its File Meta Information came in (PS3.10 7.1)."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator

import pydicom
import pytest
from live_server import LiveServer, live_server
from made_instances import instance_uid, make_instance, series_uid, study_uid
from parts import parts_of

STUDY = f"/studies/{study_uid()}"
EXPLICIT, SECONDARY_CAPTURE = "1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.7"
WHOLE = make_instance(PatientName="Doe^Jane")
END = 144 + int.from_bytes(WHOLE[140:144], "little")
ELEMENTS, DATA_SET = WHOLE[144:END], WHOLE[END:]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("meta")) as live:
        yield live


def element(number: int, uid: str) -> bytes:
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return struct.pack("<HH2sH", 2, number, b"UI", len(value)) + value


def file(elements: bytes, *, length: int | None = None) -> bytes:
    """Make a file with these elements of File Meta Information, and with a group length that may be wrong."""
    group = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements) if length is None else length)
    return bytes(128) + b"DICM" + group + elements + DATA_SET


def named(number: int, before: str, after: str) -> bytes:
    """Make a file one of whose UIDs is another one, or absent."""
    old = element(number, before)
    assert old in ELEMENTS
    return file(ELEMENTS.replace(old, element(number, after) if after else b""))


CASES: dict[str, Callable[[], bytes]] = {
    "whole": lambda: WHOLE,
    "no preamble": lambda: WHOLE[128:],
    "no preamble and no prefix": lambda: WHOLE[132:],
    "no File Meta": lambda: DATA_SET,
    "a prefix and no File Meta": lambda: bytes(128) + b"DICM" + DATA_SET,
    "another transfer syntax": lambda: named(0x10, EXPLICIT, "1.2.840.10008.1.2"),
    "big endian": lambda: named(0x10, EXPLICIT, "1.2.840.10008.1.2.2"),
    "no transfer syntax": lambda: named(0x10, EXPLICIT, ""),
}
KEPT: dict[str, Callable[[], bytes]] = {
    "whole": lambda: WHOLE,
    "another element": lambda: file(ELEMENTS + struct.pack("<HH2sH", 2, 0x16, b"AE", 8) + b"MODALITY"),
    "another class": lambda: named(0x02, SECONDARY_CAPTURE, "1.2.840.10008.5.1.4.1.1.2"),
    "no class": lambda: named(0x02, SECONDARY_CAPTURE, ""),
    "another instance": lambda: named(0x03, instance_uid(), "1.2.3"),
    "no group length": lambda: WHOLE[:132] + ELEMENTS + DATA_SET,
    "a group length of 0": lambda: file(ELEMENTS, length=0),
    "a group length that is too large": lambda: file(ELEMENTS, length=0x7FFFFFFF),
}


@pytest.mark.parametrize("transfer_syntax", ["", "; transfer-syntax=*"])
@pytest.mark.parametrize("case", CASES)
def test_4_1_every_file_that_goes_out_can_be_read(server: LiveServer, case: str, transfer_syntax: str) -> None:
    (result,) = server.store(CASES[case]())
    assert result.status == "stored", result
    accept = f'multipart/related; type="application/dicom"{transfer_syntax}'
    (part,) = parts_of(server.client.get(STUDY, headers={"accept": accept}))
    path = f"{STUDY}/series/{series_uid()}/instances/{instance_uid()}"
    single = server.client.get(path, headers={"accept": f"application/dicom{transfer_syntax}"})
    assert single.content == part.data
    assert part.headers["content-type"].endswith(EXPLICIT)
    read = pydicom.dcmread(io.BytesIO(part.data))
    meta = read.file_meta
    assert (meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID) == (EXPLICIT, SECONDARY_CAPTURE)
    assert meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID == instance_uid()
    end = 144 + meta.FileMetaInformationGroupLength
    assert part.data[end:] == DATA_SET


@pytest.mark.parametrize("case", KEPT)
def test_what_names_the_right_transfer_syntax_goes_out_as_it_came(server: LiveServer, case: str) -> None:
    sent = KEPT[case]()
    server.store(sent)
    (part,) = parts_of(server.client.get(STUDY))
    assert part.data == sent
