"""`Client.find` and `Client.fetch`: what a peer has is listed, and what is absent here goes through the ingest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from made_peer import MadePeer, made_peer
from pydicom.data import get_testdata_file
from pydicom.uid import UID

from dicom_common.core import BackendError, Level, NotFoundError, QueryError
from dicom_common.dicom import data_set_offset
from dicom_common.dimse import FetchStatus
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received

_STUDY, _CT, _MR = "1.2.3.1", "1.2.3.1.1", "1.2.3.1.2"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two series, with three and two instances."""
    folder = tmp_path_factory.mktemp("files")
    return [
        *(_made(folder, "CT_small.dcm", _CT, number, "Müller^Jörg") for number in range(3)),
        *(_made(folder, "MR_small_RLE.dcm", _MR, number, "Müller^Jörg") for number in range(2)),
    ]


def _made(folder: Path, name: str, series: str, number: int, patient: str) -> Path:
    made = pydicom.dcmread(str(get_testdata_file(name)))
    made.SpecificCharacterSet = "ISO_IR 100"
    made.PatientName = patient
    made.StudyInstanceUID, made.SeriesInstanceUID = _STUDY, series
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = UID(f"{series}.{number}")
    path = folder / f"{series}.{number}.dcm"
    made.save_as(path)
    return path


@pytest.fixture
def peer(files: list[Path]) -> Iterator[MadePeer]:
    """A peer that has the study."""
    with made_peer(files) as peer:
        yield peer


def test_matches_have_what_was_asked_for_as_text(peer: MadePeer) -> None:
    fields = ("PatientName", "Modality", "NumberOfSeriesRelatedInstances")
    matches = list(peer.client().find(Level.SERIES, {"StudyInstanceUID": _STUDY, "SeriesInstanceUID": ""}, fields))
    assert {one["SeriesInstanceUID"] for one in matches} == {(_CT,), (_MR,)}
    assert {one["PatientName"] for one in matches} == {("Müller^Jörg",)}
    assert {one["NumberOfSeriesRelatedInstances"] for one in matches} == {()}
    assert peer.queries[-1].QueryRetrieveLevel == "SERIES"
    assert "SpecificCharacterSet" not in peer.queries[-1]


@pytest.mark.parametrize(("setting", "term"), [("", "ISO_IR 192"), ("ISO_IR 100", "ISO_IR 100")])
def test_a_query_that_is_not_ascii_says_its_character_set(peer: MadePeer, setting: str, term: str) -> None:
    (match,) = peer.client(character_set=setting).find(Level.STUDY, {"PatientName": "Müller^Jörg"})
    assert match["PatientName"] == ("Müller^Jörg",)
    assert peer.queries[-1].SpecificCharacterSet == term


def test_enough_matches_cancel_the_query(peer: MadePeer) -> None:
    keys = {"StudyInstanceUID": _STUDY, "SeriesInstanceUID": _CT, "SOPInstanceUID": ""}
    assert len(list(peer.client().find(Level.INSTANCE, keys, limit=1))) == 1
    assert len(list(peer.client().find(Level.INSTANCE, keys))) == 3


@pytest.mark.parametrize(("keys", "message"), [
    ({"PatientNam": "X"}, "Did you mean 'PatientName'"),
    ({"00020010": "X"}, "not an attribute of a data set"),
    ({"PatientName.PatientID": "X"}, "is not a sequence"),
    ({"RequestAttributesSequence": "X"}, "name an attribute in it"),
    ({"SeriesNumber": "one"}, "cannot be written as IS"),
])  # fmt: skip
def test_a_key_that_cannot_be_asked_is_refused_before_the_call(
    peer: MadePeer, keys: dict[str, str], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        list(peer.client().find(Level.STUDY, keys))
    assert peer.associations == 0


def test_a_key_in_a_sequence_is_asked_for_in_its_item(peer: MadePeer) -> None:
    list(peer.client().find(Level.STUDY, {"RequestAttributesSequence.ScheduledProcedureStepID": "7"}))
    (item,) = peer.queries[-1].RequestAttributesSequence
    assert item.ScheduledProcedureStepID == "7"


def test_a_study_is_fetched_byte_for_byte_and_once(peer: MadePeer, files: list[Path], tmp_path: Path) -> None:
    with Services.from_file(overrides={"data": str(tmp_path)}) as services, Ingest(services) as ingest:
        fetched = list(peer.client().fetch(services, ingest, _STUDY, tenant="local"))
        assert [one.status for one in fetched] == [FetchStatus.FETCHED] * 5
        stored = services.db.stored("local", [one.sop_uid for one in fetched])
        for path in files:
            one = stored[path.name.removesuffix(".dcm")]
            copy = b"".join(services.storage.read(one.key))
            original = path.read_bytes()
            # pynetdicom decodes and encodes what it sends; RLE stays what it is.
            assert pydicom.dcmread(services_path(tmp_path, one.sop_uid)) == pydicom.dcmread(path)
            assert one.transfer_syntax_uid == str(pydicom.dcmread(path).file_meta.TransferSyntaxUID)
            assert len(copy) - data_set_offset(copy) == len(original) - data_set_offset(original)
        meta = pydicom.dcmread(services_path(tmp_path, f"{_CT}.0")).file_meta
        assert meta.SourceApplicationEntityTitle == "MADE"
        asked = len(peer.retrievals)
        again = list(peer.client().fetch(services, ingest, _STUDY, tenant="local"))
    assert [one.status for one in again] == [FetchStatus.PRESENT] * 5
    assert len(peer.retrievals) == asked == 2  # a series each, and nothing when all is here


def services_path(folder: Path, sop_uid: str) -> Path:
    """Return the file of an instance in a library of the embedded set."""
    (found,) = folder.rglob(f"{sop_uid}.dcm")
    return found


def test_only_what_is_absent_is_asked_for(peer: MadePeer, files: list[Path], tmp_path: Path) -> None:
    with Services.from_file(overrides={"data": str(tmp_path)}) as services, Ingest(services) as ingest:
        ingest.store([Received(source=files[0], name="first")], tenant="local")
        fetched = list(peer.client().fetch(services, ingest, _STUDY, _CT, tenant="local"))
    statuses = {one.sop_uid: one.status for one in fetched}
    assert statuses == {
        f"{_CT}.0": FetchStatus.PRESENT,
        f"{_CT}.1": FetchStatus.FETCHED,
        f"{_CT}.2": FetchStatus.FETCHED,
    }
    (asked,) = peer.retrievals
    assert asked.QueryRetrieveLevel == "IMAGE"
    assert list(asked.SOPInstanceUID) == [f"{_CT}.1", f"{_CT}.2"]


def test_what_another_tenant_has_is_fetched(peer: MadePeer, files: list[Path], tmp_path: Path) -> None:
    with Services.from_file(overrides={"data": str(tmp_path)}) as services, Ingest(services) as ingest:
        ingest.store([Received(source=path, name=path.name) for path in files], tenant="other")
        fetched = list(peer.client().fetch(services, ingest, _STUDY, tenant="local"))
    assert {one.status for one in fetched} == {FetchStatus.FETCHED}


def test_what_the_ingest_refuses_is_reported(peer: MadePeer, files: list[Path], tmp_path: Path) -> None:
    overrides = {"data": str(tmp_path), "ingest.max_object_bytes": "20000"}
    with Services.from_file(overrides=overrides) as services, Ingest(services) as ingest:
        fetched = list(peer.client().fetch(services, ingest, _STUDY, tenant="local"))
    small = {path.name.removesuffix(".dcm") for path in files if path.stat().st_size < 20_000}
    assert {one.sop_uid for one in fetched if one.status is FetchStatus.FETCHED} == small
    refused = [one for one in fetched if one.sop_uid not in small]
    assert {(one.status, one.result and one.result.reason) for one in refused} == {
        (FetchStatus.REJECTED, "object-too-large")
    }


@pytest.mark.parametrize("most", ["3000000", "30000000"])
def test_a_large_instance_goes_through_as_it_comes_and_harms_no_other(
    files: list[Path], tmp_path: Path, most: str
) -> None:
    large = pydicom.dcmread(files[0])
    large.Rows = large.Columns = 1536
    large.PixelData = bytes(range(256)) * (1536 * 1536 * 2 // 256)
    large.save_as(tmp_path / "large.dcm")
    overrides = {"data": str(tmp_path / "data"), "ingest.max_object_bytes": most}
    with (
        made_peer([tmp_path / "large.dcm", *files[1:3]]) as peer,
        Services.from_file(overrides=overrides) as services,
        Ingest(services) as ingest,
    ):
        fetched = list(peer.client().fetch(services, ingest, _STUDY, tenant="local"))
    statuses = {one.sop_uid: (one.status, one.result and one.result.reason) for one in fetched}
    is_refused = most == "3000000"
    first = (FetchStatus.REJECTED, "object-too-large") if is_refused else (FetchStatus.FETCHED, "")
    assert statuses == {f"{_CT}.0": first} | dict.fromkeys((f"{_CT}.1", f"{_CT}.2"), (FetchStatus.FETCHED, ""))
    if not is_refused:
        assert pydicom.dcmread(services_path(tmp_path, f"{_CT}.0")) == large


def test_a_study_that_the_peer_does_not_have_is_an_error(peer: MadePeer, tmp_path: Path) -> None:
    with (
        Services.from_file(overrides={"data": str(tmp_path)}) as services,
        Ingest(services) as ingest,
        pytest.raises(NotFoundError, match=r"has no instance of 9\.9\.9"),
    ):
        list(peer.client().fetch(services, ingest, "9.9.9", tenant="local"))


def test_a_failure_of_the_peer_names_its_status(peer: MadePeer) -> None:
    peer.files = [object()]  # type: ignore[list-item]  # what makes pynetdicom answer C311
    with pytest.raises(BackendError, match="answered C-FIND with C311"):
        list(peer.client().find(Level.STUDY, {"StudyInstanceUID": "1.2"}))
