"""DICOMweb beside Debian's Orthanc: the same files and the same requests; each difference is known, and decided."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import pydicom
import pytest
from orthanc import DICOMWEB, is_installed, orthanc
from orthanc_differences import DIFFERENCES, VERSION
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from web_exchange import Answer, Difference, ask, difference, multipart, parts
from web_instances import made
from web_site import serving

pytestmark = [pytest.mark.kills, pytest.mark.slow]
ROOT = "/dicom-web"
JSON = {"Accept": "application/dicom+json"}
DICOM = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
FILES = (
    *("CT_small", "MR_small", "rtplan", "rtdose", "rtstruct", "test-SR", "reportsi", "waveform_ecg", "liver_1frame"),
    *("SC_rgb_rle_2frame", "image_dfl", "JPEG-lossy", "JPEG2000", "SC_rgb_jpeg_dcmtk"),
)
IMAGES = ("CT_small", "MR_small", "SC_rgb_rle_2frame", "rtdose")
"""Files whose frames and pictures both servers can give."""


class Servers(NamedTuple):
    """The ports of the two."""

    ours: int
    theirs: int

    @property
    def are_those_of_the_table(self) -> bool:
        """Whether Orthanc is the version that the table was written for: another one may have fewer differences."""
        return bool(json.loads(ask(self.theirs, "GET", "/system", {}).body)["Version"] == VERSION)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[Answer, Answer]:
        ours, theirs = (ask(port, method, f"{ROOT}{path}", headers, body) for port in self)
        return ours, theirs


def population() -> list[bytes]:
    """Make what is searched: names beside decoys, two modalities, dates and times, values that are absent."""
    step = Dataset()
    step.ScheduledProcedureStepID, step.RequestedProcedureID = "STEP1", "PROC1"
    first: dict[str, Any] = {
        "PatientName": "Müller^Jörg",
        "PatientID": "P1",
        "PatientBirthDate": "19500203",
        "PatientSex": "M",
        "StudyDate": "20260102",
        "StudyTime": "221000",
        "AccessionNumber": "A1",
        "StudyID": "S1",
        "StudyDescription": "Head",
        "ReferringPhysicianName": "Bones^Leonard",
    }
    image: dict[str, Any] = {"Rows": 4, "Columns": 4, "BitsAllocated": 8, "SamplesPerPixel": 1}
    image |= {"BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0, "PhotometricInterpretation": "MONOCHROME2"}
    image["PixelData"] = bytes(range(16))
    second = {"PatientName": "O'Brien%_[x]", "PatientID": "P2", "StudyDate": "20260103", "StudyTime": "010000"}
    decoy = {"PatientName": "O'BrienAB[x]", "PatientID": "A+B C", "StudyDate": "20260104", "StudyTime": "120000"}
    return [
        made(
            1, 1, 1, **first, **image, Modality="CT", InstanceNumber=1, SeriesNumber=1, RequestAttributesSequence=[step]
        ),
        made(1, 1, 2, **first, Modality="CT", InstanceNumber=2, SeriesNumber=1),
        made(1, 2, 1, **first, Modality="MR", InstanceNumber=1, SeriesNumber=2, SeriesDescription="Axial"),
        made(2, 1, 1, **second, AccessionNumber="A2", StudyID="S2", Modality="CT", InstanceNumber="01", SeriesNumber=7),
        made(3, 1, 1, **decoy, Modality="US", StudyDescription="Liver", InstanceNumber=3, SeriesNumber=1),
        made(4, 1, 1, PatientName="Plain^Jane", PatientID="P4", StudyDate="", Modality="OT", InstanceNumber=1),
    ]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Both servers, with the same files in them."""
    if not (is_installed() and DICOMWEB.is_file()):
        reason = "no Orthanc with DICOMweb on this machine (Debian: apt-get install orthanc orthanc-dicomweb)"
        (pytest.fail if request.config.getoption("--require-services") else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("differential")
    with ExitStack() as stack:
        ours = int(stack.enter_context(serving(folder / "ours")).rpartition(":")[2])
        both = Servers(ours, stack.enter_context(orthanc(folder / "orthanc", DICOMWEB)))
        body, headers = multipart(population())
        for answer in both.ask("POST", "/studies", headers, body):
            assert answer.status == 200, [json.loads(answer.body)["00081199"]]
        yield both


def compare(servers: Servers, label: str, found: Sequence[tuple[str, Difference]]) -> None:
    """Fail where a difference is not in the table, and where the table has one that is gone."""
    table = DIFFERENCES[label]
    unused = set(range(len(table)))
    unlisted = []
    for request, one in found:
        fitting = [number for number, row in enumerate(table) if row.covers(request, one)]
        unused -= set(fitting[:1])
        if not fitting:
            unlisted.append(f"{request}: {one.what}: ours {one.ours!r}, Orthanc {one.theirs!r}")
    assert not unlisted, f"{label}: not in orthanc_differences.py:\n" + "\n".join(unlisted)
    stale = [table[number] for number in sorted(unused)]
    assert not (stale and servers.are_those_of_the_table), f"{label}: no longer a difference: {stale}"


SEARCHED = (
    "/studies",
    "/series",
    "/instances",
    "/studies/2.25.7.1/series",
    "/studies/2.25.7.1/instances",
    "/studies/2.25.7.1/series/2.25.7.1.1/instances",
    # Matching (PS3.4 C.2.2.2): single value, list of UID, wildcard, range, sequence, universal.
    "/studies?PatientID=P1",
    "/studies?00100020=P1",
    "/studies?PatientID=p1",
    "/studies?PatientID=nobody",
    "/studies?PatientID=A%2BB%20C",
    "/studies?PatientID=",
    "/studies?PatientID=*",
    "/studies?PatientID=P?",
    "/studies?StudyInstanceUID=2.25.7.1",
    "/studies?StudyInstanceUID=2.25.7.1,2.25.7.2",
    "/studies?StudyInstanceUID=2.25.7.1%5C2.25.7.3",
    "/studies?PatientName=Plain*",
    "/studies?PatientName=plain%5Ejane",
    "/studies?PatientName=M%C3%BCller*",
    "/studies?PatientName=O%27Brien%25_%5Bx%5D",
    "/studies?PatientName=O%27Brien*",
    "/studies?PatientName=*AB*",
    "/studies?StudyDate=20260103",
    "/studies?StudyDate=20260102-20260103",
    "/studies?StudyDate=20260103-",
    "/studies?StudyDate=-20260103",
    "/studies?StudyDate=2026*",
    "/studies?StudyTime=2200-2300",
    "/studies?StudyDate=20260102-20260103&StudyTime=2200-0200",
    "/studies?AccessionNumber=A1",
    "/studies?StudyID=S*",
    "/studies?StudyDescription=Head",
    "/studies?ReferringPhysicianName=Bones*",
    "/studies?ModalitiesInStudy=MR",
    "/studies?ModalitiesInStudy=CT",
    "/studies?PatientSex=M",
    "/studies?PatientBirthDate=19500203",
    "/series?Modality=CT",
    "/series?Modality=C*",
    "/series?SeriesNumber=1",
    "/series?SeriesInstanceUID=2.25.7.1.1,2.25.7.1.2",
    "/series?SeriesDescription=ax*",
    "/series?PatientID=P1&Modality=MR",
    "/series?RequestAttributesSequence.ScheduledProcedureStepID=STEP1",
    "/series?00400275.00401001=PROC1",
    "/series?00400275.00401001=PROC2",
    "/studies/2.25.7.1/series?Modality=MR",
    "/instances?SOPInstanceUID=2.25.7.1.1.2",
    "/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.7",
    "/instances?InstanceNumber=1",
    "/instances?PatientID=P1&Modality=CT&InstanceNumber=2",
    "/studies/2.25.7.1/instances?InstanceNumber=1",
    "/studies/2.25.7.9/series",
    "/studies/2.25.7.9/instances",
    # What is returned.
    "/studies?PatientID=P1&includefield=StudyDescription",
    "/studies?PatientID=P1&includefield=00081030,PatientComments",
    "/studies?PatientID=P1&includefield=all",
    "/series?PatientID=P1&includefield=SeriesDescription&includefield=StudyDescription",
    "/instances?PatientID=P1&includefield=PhotometricInterpretation,SamplesPerPixel",
    "/studies?PatientID=P1&includefield=Nonsense",
    "/studies?PatientID=P1&includefield=SeriesDescription",
    # Pages.
    "/studies?limit=2",
    "/studies?limit=2&offset=2",
    "/studies?limit=0",
    "/studies?offset=100",
    "/instances?limit=100000",
    # Errors.
    "/studies?limit=x",
    "/studies?limit=-1",
    "/studies?offset=-1",
    "/studies?Nonsense=1",
    "/studies?StudyDate=nonsense",
    "/studies?StudyDate=20260103-20260102",
    "/studies?PatientID=P1&PatientID=P2",
    "/studies?fuzzymatching=maybe",
    "/studies?fuzzymatching=true&PatientName=jane",
    "/studies/not-a-uid/series",
    "/studies/2.25.7.1/series/2.25.7.1.1",
    "/nothing",
)
"""Requests of a search; the answer is asked for as JSON."""


def test_searches_are_answered_as_orthanc_does_or_as_the_standard_decides(servers: Servers) -> None:
    found = [(f"GET {path}", one) for path in SEARCHED for one in difference(*servers.ask("GET", path, JSON))]
    compare(servers, "search", found)


def file_of(name: str) -> bytes:
    return Path(get_testdata_file(f"{name}.dcm", download=False) or "").read_bytes()


def path_of(name: str) -> str:
    dataset = pydicom.dcmread(io.BytesIO(file_of(name)), stop_before_pixels=True, force=True)
    return f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"


OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}
OF_EACH_FILE = (
    ("/metadata", JSON),
    ("", DICOM),
    ("", {"Accept": "application/dicom; transfer-syntax=*"}),
)
OF_EACH_IMAGE = (
    ("/frames/1", OCTETS),
    ("/frames/1", {"Accept": "application/octet-stream"}),
    ("/frames/1", {"Accept": "*/*"}),
    ("/frames/1,2", OCTETS),
    ("/frames/0", OCTETS),
    ("/frames/x", OCTETS),
    ("/frames/999", OCTETS),
    ("/rendered", {"Accept": "image/jpeg"}),
    ("/rendered", {"Accept": "image/png"}),
    ("/rendered", {"Accept": "image/gif"}),
    ("/rendered", {"Accept": "*/*"}),
    ("/rendered", {"Accept": "text/plain"}),
    ("/rendered?viewport=32,16", {"Accept": "image/png"}),
    ("/rendered?viewport=64,64,0,0,32,32", {"Accept": "image/png"}),
    ("/rendered?viewport=x", {"Accept": "image/png"}),
    ("/rendered?quality=101", {"Accept": "image/jpeg"}),
    ("/rendered?window=100,200,linear", {"Accept": "image/png"}),
    ("/rendered?window=100", {"Accept": "image/png"}),
    ("/frames/1/rendered", {"Accept": "image/png"}),
    ("/frames/999/rendered", {"Accept": "image/png"}),
)
OTHERS = (
    ("/studies/2.25.7.1", DICOM),
    ("/studies/2.25.7.1/series/2.25.7.1.1", DICOM),
    ("/studies/2.25.7.1", {"Accept": "application/dicom"}),
    ("/studies/2.25.7.1", {"Accept": 'multipart/related; type="application/dicom"'}),
    ("/studies/2.25.7.1", {"Accept": "*/*"}),
    ("/studies/2.25.7.1", {"Accept": "text/plain"}),
    ("/studies/2.25.7.1", {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=1.2.3'}),
    ("/studies/2.25.7.1/metadata", JSON),
    ("/studies/2.25.7.1/metadata", {"Accept": "application/json"}),
    ("/studies/2.25.7.1/metadata", {"Accept": "*/*"}),
    ("/studies/2.25.7.1/metadata", {"Accept": 'multipart/related; type="application/dicom+xml"'}),
    ("/studies/2.25.7.1/metadata", {"Accept": "text/plain"}),
    ("/studies/2.25.7.1/series/2.25.7.1.1/metadata", JSON),
    ("/studies/2.25.7.9", DICOM),
    ("/studies/2.25.7.9/metadata", JSON),
    ("/studies/2.25.7.1/series/2.25.7.9/metadata", JSON),
    ("/studies/2.25.7.2/series/2.25.7.1.1/metadata", JSON),
    ("/studies/2.25.7.1/series/2.25.7.1.2/instances/2.25.7.1.1.1/metadata", JSON),
    ("/studies/x", DICOM),
    ("/studies/2.25.7.1/rendered", {"Accept": "image/png"}),
    ("/studies/2.25.7.1/series/2.25.7.1.1/rendered", {"Accept": "image/png"}),
    ("/studies/2.25.7.1/series/2.25.7.1.1/instances/2.25.7.1.1.2/frames/1", OCTETS),
    ("/studies/2.25.7.1/series/2.25.7.1.1/instances/2.25.7.1.1.2/rendered", {"Accept": "image/png"}),
    ("/studies/2.25.7.1/series/2.25.7.1.1/instances/2.25.7.1.1.1/bulkdata/7FE00010", OCTETS),
    ("/studies/2.25.7.1/series/2.25.7.1.1/instances/2.25.7.1.1.1/bulkdata/00100010", OCTETS),
    ("/studies/2.25.7.1/series/2.25.7.1.1/instances/2.25.7.1.1.1/bulkdata/x", OCTETS),
)


@pytest.fixture(scope="module")
def filled(servers: Servers) -> Servers:
    """Both servers, with pydicom's files in them as well."""
    for name in FILES:
        body, headers = multipart([file_of(name)])
        for answer in servers.ask("POST", "/studies", headers, body):
            assert answer.status in (200, 202), (name, answer.body)
    return servers


def test_retrievals_are_answered_as_orthanc_does_or_as_the_standard_decides(filled: Servers) -> None:
    asked = [(f"{{{name}}}", path_of(name), rest, headers) for name in FILES for rest, headers in OF_EACH_FILE]
    asked += [(f"{{{name}}}", path_of(name), rest, headers) for name in IMAGES for rest, headers in OF_EACH_IMAGE]
    asked += [("", "", path, headers) for path, headers in OTHERS]
    found = [
        (f"GET {label}{rest} {headers['Accept']}", one)
        for label, path, rest, headers in asked
        for one in difference(*filled.ask("GET", path + rest, headers))
    ]
    compare(filled, "retrieve", found)


def bulk_data(port: int, path: str) -> Iterator[tuple[str, str]]:
    """Give each place of a document that has a BulkDataURI, and that URI."""

    def walk(place: str, item: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for tag, element in item.items():
            if "BulkDataURI" in element:
                yield f"{place}{tag}", element["BulkDataURI"]
            if element["vr"] == "SQ":
                for number, one in enumerate(element.get("Value", ()), 1):
                    yield from walk(f"{place}{tag}/{number}/", one)

    (document,) = json.loads(ask(port, "GET", f"{ROOT}{path}/metadata", JSON).body)
    yield from walk("", document)


def test_bulk_data_has_the_same_bytes_as_in_orthanc(filled: Servers) -> None:
    found, same = [], 0
    for name in FILES:
        ours, theirs = (dict(bulk_data(port, path_of(name))) for port in filled)
        for place in sorted(set(ours) | set(theirs)):
            request = f"GET {{{name}}}/bulkdata/{place}"
            if place not in ours or place not in theirs:
                found.append(
                    (request, Difference("URI", *("there" if place in one else "absent" for one in (ours, theirs))))
                )
                continue
            urls = (urlsplit(urljoin(f"{ROOT}{path_of(name)}/metadata", uri[place])).path for uri in (ours, theirs))
            mine, other = (ask(port, "GET", url, OCTETS) for port, url in zip(filled, urls, strict=True))
            found += [(request, one) for one in difference(mine, other)]
            same += parts(mine) == parts(other)
    compare(filled, "bulk data", found)
    assert same >= 8


def stores() -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Give store requests in their order: a name, the path, the headers and the body."""
    body, headers = multipart([made(6, 1, 1, PatientID="P6")])
    yield "a new instance", "/studies", headers, body
    yield "the same again", "/studies", headers, body
    yield "other bytes under the same UID", "/studies", *turned(multipart([made(6, 1, 1, PatientID="P66")]))
    yield "of the study of the path", "/studies/2.25.7.6", *turned(multipart([made(6, 1, 2)]))
    yield "of another study", "/studies/2.25.7.6", *turned(multipart([made(7, 1, 1)]))
    yield "one of another study", "/studies/2.25.7.6", *turned(multipart([made(6, 1, 3), made(7, 1, 1)]))
    yield "no UID in the path", "/studies/x", headers, body
    yield "several studies", "/studies", *turned(multipart([made(8, 1, 1), made(9, 1, 1)]))
    yield "no DICOM", "/studies", *turned(multipart([b"no DICOM at all"]))
    yield "one is no DICOM", "/studies", *turned(multipart([made(8, 1, 2), b"no DICOM at all"]))
    yield "an empty part", "/studies", *turned(multipart([b""]))
    yield "no part", "/studies", *turned(multipart([]))
    yield "no body", "/studies", headers, b""
    yield "cut off in a part", "/studies", headers, body[:-200]
    yield "without the last boundary", "/studies", headers, body.rpartition(b"--a-boundary")[0]
    yield "a truncated instance", "/studies", *turned(multipart([file_of("MR_truncated")]))
    yield "without a Study Instance UID", "/studies", *turned(multipart([without("StudyInstanceUID")]))
    yield "without a SOP Instance UID", "/studies", *turned(multipart([without("SOPInstanceUID")]))
    directory = Path(get_testdata_file("DICOMDIR", download=False) or "").read_bytes()
    yield "a DICOMDIR", "/studies", *turned(multipart([directory]))
    yield "a part of text", "/studies", headers, body.replace(b"Type: application/dicom", b"Type: text/plain")
    yield "no type of a part", "/studies", headers, body.replace(b"Content-Type: application/dicom\r\n", b"")
    yield "one instance without multipart", "/studies", JSON | {"Content-Type": "application/dicom"}, made(8, 1, 3)
    kind = headers["Content-Type"]
    yield "no boundary", "/studies", JSON | {"Content-Type": kind.partition("; boundary")[0]}, body
    yield "no type", "/studies", JSON | {"Content-Type": kind.replace('type="application/dicom"; ', "")}, body
    yield "an unquoted type", "/studies", JSON | {"Content-Type": kind.replace('"', "")}, body
    yield "a quoted boundary", "/studies", JSON | {"Content-Type": kind.replace("=a-b", '="a-b') + '"'}, body
    yield "JSON metadata", "/studies", JSON | {"Content-Type": kind.replace("/dicom", "/dicom+json")}, body
    yield "XML metadata", "/studies", JSON | {"Content-Type": kind.replace("/dicom", "/dicom+xml")}, body
    yield "a form", "/studies", JSON | {"Content-Type": "multipart/form-data; boundary=a"}, body
    yield "text", "/studies", JSON | {"Content-Type": "text/plain"}, body
    yield "no Content-Type", "/studies", JSON, body
    yield "answered as XML", "/studies", headers | {"Accept": "application/dicom+xml"}, body
    yield "answered as text", "/studies", headers | {"Accept": "text/plain"}, body


def turned(made_of: tuple[bytes, dict[str, str]]) -> tuple[dict[str, str], bytes]:
    return made_of[1], made_of[0]


def without(keyword: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(made(8, 1, 4)))
    delattr(dataset, keyword)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def test_stores_are_answered_as_orthanc_does_or_as_the_standard_decides(servers: Servers) -> None:
    found = [
        (name, one)
        for name, path, headers, body in stores()
        for one in difference(*servers.ask("POST", path, headers, body), whatever_status=True)
    ]
    compare(servers, "store", found)
