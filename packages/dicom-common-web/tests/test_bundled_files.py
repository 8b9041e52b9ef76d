"""Every file that comes with pydicom: what is retrieved is what was stored."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import pydicom
import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from parts import parts_of
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_common.core import Stored
from dicom_common.dicom import transfer_syntax

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix in ("", ".dcm"))
POLICY = {f"policy__{action}": {"roles": ["all"]} for action in ("store", "search", "retrieve")}
RELATED = 'multipart/related; type="application/dicom"'
EXPLICIT = "1.2.840.10008.1.2.1"


class Case(NamedTuple):
    """A file that was stored by a tenant of its own: some of them share their UIDs."""

    file: Path
    stored: Stored
    headers: dict[str, str]

    @property
    def path(self) -> str:
        stored = self.stored
        return f"/studies/{stored.study_uid}/series/{stored.series_uid}/instances/{stored.sop_uid}"

    def accepting(self, accept: str) -> dict[str, str]:
        return {**self.headers, "accept": accept}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("bundled"), auth=TokenIsTenant(), **POLICY) as live:
        yield live


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def case(request: pytest.FixtureRequest, server: LiveServer) -> Case:
    file: Path = request.param
    tenant = f"tenant-{FILES.index(file)}"
    (result,) = server.store(file.read_bytes(), tenant=tenant)
    if result.sop_uid is None or result.status not in ("stored", "duplicate"):
        pytest.skip(f"it is refused: {result.reason}")
    stored = server.services.db.stored(tenant, [result.sop_uid])[result.sop_uid]
    return Case(file, stored, {"authorization": f"Bearer {tenant}"})


def flat(data_set: Dataset) -> list[DataElement]:
    """Return the elements of a data set without group lengths, which are retired, and padding."""
    return [one for one in data_set if one.tag.element != 0 and one.tag != 0xFFFCFFFC]


def test_3_3_an_instance_comes_back_as_it_is_or_in_explicit_vr(server: LiveServer, case: Case) -> None:
    response = server.client.get(case.path, headers=case.accepting(f"{RELATED}; transfer-syntax=*"))
    (part,) = parts_of(response)
    uid = case.stored.transfer_syntax_uid
    syntax = transfer_syntax(uid)
    if syntax is not None and (syntax.implicit_vr or syntax.big_endian):
        assert part.transfer_syntax == EXPLICIT
        before, after = pydicom.dcmread(case.file, force=True), pydicom.dcmread(io.BytesIO(part.data))
        assert [one.tag for one in flat(after)] == [one.tag for one in flat(before)]
        for one, other in zip(flat(after), flat(before), strict=True):
            if one.VR == other.VR and one.VR not in ("OB", "OW", "UN", "SQ"):
                assert one.value == other.value
        if uid == "1.2.840.10008.1.2" and "PixelData" in before:
            assert after.PixelData == before.PixelData
    else:
        assert part.transfer_syntax == uid
        raw = case.file.read_bytes()
        assert part.data[:132] == bytes(128) + b"DICM"
        assert part.data.endswith(raw[132:] if raw[128:132] == b"DICM" else raw)


def test_3_3_the_default_is_explicit_vr_little_endian_or_what_is_lossy(server: LiveServer, case: Case) -> None:
    response = server.client.get(case.path, headers=case.accepting(RELATED))
    syntax = transfer_syntax(case.stored.transfer_syntax_uid)
    if response.status_code == 406:
        assert syntax is not None
        assert syntax.encapsulated
        return
    (part,) = parts_of(response)
    assert part.transfer_syntax == EXPLICIT or (syntax is not None and (syntax.lossy or syntax.video))
    assert pydicom.dcmread(io.BytesIO(part.data)).file_meta.TransferSyntaxUID == part.transfer_syntax


def test_3_6_frames_are_those_of_pydicom(server: LiveServer, case: Case) -> None:
    data_set = pydicom.dcmread(case.file, force=True)
    response = server.client.get(f"{case.path}/frames/1", headers=case.accepting("*/*"))
    if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & set(data_set.dir()):
        assert response.status_code == 404
        return
    try:
        expected = pydicom.pixels.utils.pixel_array(data_set, index=0, raw=True)
    except Exception as error:  # noqa: BLE001 - whatever pydicom cannot decode is no reference
        pytest.skip(f"pydicom cannot: {type(error).__name__}")
    if response.status_code in (404, 406):
        pytest.skip("the server cannot decode it, and says so")
    (part,) = parts_of(response)
    if part.headers["content-type"] != "application/octet-stream":
        pytest.skip("it goes out compressed")
    if data_set.BitsAllocated == 1:
        import numpy as np  # noqa: PLC0415 - for this one case

        bits = np.unpackbits(np.frombuffer(part.data, "u1"), bitorder="little")[: expected.size]
        assert bits.tobytes() == expected.astype("u1").tobytes()
    elif part.data != (pixels := expected.astype(expected.dtype.newbyteorder("<")).tobytes()):
        planes = expected.transpose(2, 0, 1).tobytes() if expected.ndim == 3 else b""
        odd = part.data[: len(pixels)]
        assert odd == pixels or part.data == planes or len(part.data) == len(pixels) * 2 // 3, len(part.data)


def bulk_uris(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if "BulkDataURI" in tree:
            yield tree["BulkDataURI"]
        for value in tree.values():
            yield from bulk_uris(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from bulk_uris(value)


def test_3_7_every_bulk_data_uri_resolves_both_ways(server: LiveServer, case: Case) -> None:
    study = f"/studies/{case.stored.study_uid}/metadata"
    for path in (study, f"{case.path}/metadata"):
        for uri in bulk_uris(server.client.get(path, headers=case.headers).json()):
            answers = []
            for base in (f"{server.url}/", server.url + path):
                response = server.client.get(urljoin(base, uri), headers=case.headers)
                if response.status_code == 406:
                    continue
                answers.append([part.data for part in parts_of(response)])
            assert all(one == answers[0] for one in answers)
            if answers and not uri.endswith("7FE00010"):
                assert answers[0] == [value_at(case.file, uri.rpartition("/")[2])]


def value_at(file: Path, path: str) -> bytes:
    """Return the bytes of a value by the path of its BulkDataURI, in little endian where that is how the file is."""
    data_set: Any = pydicom.dcmread(file, force=True)
    *around, tag = path.split(".")
    for sequence, number in zip(around[::2], around[1::2], strict=True):
        data_set = data_set[int(sequence, 16)].value[int(number) - 1]
    value = data_set.get_item(int(tag, 16)).value
    return bytes(value) if isinstance(value, bytes) else pytest.skip("pydicom has no bytes of it")
