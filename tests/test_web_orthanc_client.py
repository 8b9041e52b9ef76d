"""Orthanc as a client of the DICOMweb service: it searches, retrieves and stores there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pydicom
import pytest
from orthanc import DICOMWEB, is_installed, orthanc
from pydicom.data import get_testdata_file
from web_exchange import ask, multipart, parts
from web_site import serving

pytestmark = [pytest.mark.kills, pytest.mark.slow]
FILES = ("CT_small", "JPEG2000", "SC_rgb_rle_2frame", "test-SR", "waveform_ecg")
"""Images in native and compressed transfer syntaxes that are sent as stored, and what is no image."""


def path_of(name: str) -> Path:
    return Path(get_testdata_file(f"{name}.dcm", download=False) or "")


def data_set(file: bytes) -> bytes:
    """Return what follows the File Meta Information, by its group length (PS3.10 7.1)."""
    return file[144 + int.from_bytes(file[140:144], "little") :]


class Peers(NamedTuple):
    """The ports of the two."""

    ours: int
    theirs: int

    def at_orthanc(self, method: str, path: str, body: dict[str, Any] | bytes = b"") -> Any:
        """Ask Orthanc for something in its own interface; its answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = ask(self.theirs, method, path, {}, data)
        assert answer.status == 200, (path, answer.status, answer.body[:300])
        return json.loads(answer.body)

    def ask_through_orthanc(self, operation: str, body: dict[str, Any]) -> Any:
        return self.at_orthanc("POST", f"/dicom-web/servers/us/{operation}", body)


@pytest.fixture
def peers(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Peers]:
    """Our server, empty, and an Orthanc that has it among its servers."""
    if not (is_installed() and DICOMWEB.is_file()):
        reason = "no Orthanc with DICOMweb on this machine (Debian: apt-get install orthanc orthanc-dicomweb)"
        (pytest.fail if request.config.getoption("--require-services") else pytest.skip)(reason)
    with serving(tmp_path / "ours") as address:
        servers = {"DicomWeb": {"Servers": {"us": [f"{address}/dicom-web/"]}}}
        with orthanc(tmp_path / "orthanc", DICOMWEB, settings=servers) as theirs:
            yield Peers(int(address.rpartition(":")[2]), theirs)


def test_orthanc_stores_here_by_stow(peers: Peers) -> None:
    resources = [peers.at_orthanc("POST", "/instances", path_of(name).read_bytes())["ID"] for name in FILES]
    peers.ask_through_orthanc("stow", {"Resources": resources, "Synchronous": True})
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    for name in FILES:
        sent = pydicom.dcmread(path_of(name))
        place = f"/dicom-web/studies/{sent.StudyInstanceUID}/series/{sent.SeriesInstanceUID}"
        answer = ask(peers.ours, "GET", f"{place}/instances/{sent.SOPInstanceUID}", accept)
        (kept,) = parts(answer)
        assert data_set(kept) == data_set(path_of(name).read_bytes()), name


def test_orthanc_searches_and_retrieves_from_here(peers: Peers) -> None:
    body, headers = multipart(path_of(name).read_bytes() for name in FILES)
    assert ask(peers.ours, "POST", "/dicom-web/studies", headers, body).status == 200
    studies = {str(pydicom.dcmread(path_of(name)).StudyInstanceUID) for name in FILES}
    found = peers.ask_through_orthanc("qido", {"Uri": "/studies", "Arguments": {}})
    assert {one["0020000D"]["Value"] for one in found} == studies
    (one,) = peers.ask_through_orthanc("qido", {"Uri": "/studies", "Arguments": {"PatientID": "1CT1"}})
    assert one["0020000D"]["Value"] == pydicom.dcmread(path_of("CT_small")).StudyInstanceUID
    wanted = [{"Study": study} for study in sorted(studies)]
    peers.ask_through_orthanc("retrieve", {"Resources": wanted, "Synchronous": True})
    ids = peers.at_orthanc("GET", "/instances")
    brought = [peers.at_orthanc("GET", f"/instances/{one}/simplified-tags") for one in ids]
    sent = {str(pydicom.dcmread(path_of(name)).SOPInstanceUID) for name in FILES}
    assert {one["SOPInstanceUID"] for one in brought} == sent
