"""conformance.md 7.6 and 7.15: C-GET. Roles, contexts, counts, bytes as stored, C-CANCEL."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from live_ae import LiveAe, dcmtk, live_ae
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.dsutils import encode
from pynetdicom.events import Event
from raw_scu import (
    ABORT,
    ACCEPT,
    EXPLICIT,
    IMPLICIT,
    P_DATA,
    SECONDARY_CAPTURE,
    command,
    fragment,
    item,
    p_data,
    raw_scu,
)
from stored_instances import (
    PATIENT_ROOT,
    STUDY_ROOT,
    data_set_of,
    ingest,
    instance_uid,
    key,
    make_instance,
    stored_by,
    study_uid,
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAe]:
    """A study of two SOP classes, one of thirty instances, and a compressed image."""
    with live_ae(tmp_path_factory.mktemp("get")) as live:
        ingest(live, make_instance(1, 1, 1), make_instance(1, 1, 2, sop_class=CTImageStorage))
        ingest(live, *(make_instance(2, 1, number) for number in range(1, 31)))
        ingest(live, Path(str(get_testdata_file("JPEG2000.dcm"))).read_bytes())
        yield live


class _Got:
    """What a C-GET of pynetdicom brought."""

    def __init__(
        self,
        live: LiveAe,
        identifier: Dataset,
        classes: Sequence[tuple[str, Sequence[str]]],
        *,
        model: str = STUDY_ROOT,
        with_roles: bool = True,
        status: int = 0x0000,
        cancel_after: int = 0,
    ) -> None:
        self.arrived: dict[str, tuple[str, bytes]] = {}
        self.statuses: list[Dataset] = []
        self.listed: Dataset | None = None
        uid = f"{model}.3"

        def store(event: Event) -> int:
            syntax = str(event.context.transfer_syntax)
            data = event.encoded_dataset(include_meta=False)
            self.arrived[stored_by(event)] = (syntax, data)
            if len(self.arrived) == cancel_after:
                event.assoc.send_c_cancel(3, query_model=uid)
            return status

        scu = AE(ae_title="CT1")
        scu.add_requested_context(uid)
        for sop_class, syntaxes in classes:
            scu.add_requested_context(sop_class, list(syntaxes))
        roles: list[Any] = [build_role(sop_class, scp_role=True) for sop_class, _ in classes] if with_roles else []
        association = scu.associate(
            "127.0.0.1", live.port, ae_title="DICOMCOMMON", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)]
        )
        assert association.is_established
        for answer, listed in association.send_c_get(identifier, uid, msg_id=3):
            self.statuses.append(answer)
            self.listed = listed
        association.release()
        assert association.is_released

    @property
    def final(self) -> tuple[int, tuple[int | None, ...]]:
        last = self.statuses[-1]
        names = ("Remaining", "Completed", "Failed", "Warning")
        return last.Status, tuple(last.get(f"NumberOf{name}Suboperations") for name in names)

    @property
    def failed(self) -> list[str]:
        if not self.listed:
            return []
        value = self.listed.FailedSOPInstanceUIDList
        return [value] if isinstance(value, str) else list(value)


_SC, _CT = (SecondaryCaptureImageStorage, [ExplicitVRLittleEndian]), (CTImageStorage, [ExplicitVRLittleEndian])


def test_7_6_instances_arrive_on_the_same_association_as_stored(live: LiveAe) -> None:
    got = _Got(live, key("STUDY", StudyInstanceUID=study_uid(1)), [_SC, _CT])
    assert got.final == (0x0000, (None, 2, 0, 0))
    assert [status.Status for status in got.statuses] == [0xFF00, 0x0000]
    assert got.statuses[0].NumberOfRemainingSuboperations == 1
    assert got.arrived == {
        instance_uid(1, 1, 1): (ExplicitVRLittleEndian, data_set_of(make_instance(1, 1, 1))),
        instance_uid(1, 1, 2): (
            ExplicitVRLittleEndian,
            data_set_of(make_instance(1, 1, 2, sop_class=CTImageStorage)),
        ),
    }


def test_7_6_what_has_no_context_is_counted_failed_and_listed(live: LiveAe) -> None:
    got = _Got(live, key("STUDY", StudyInstanceUID=study_uid(1)), [_CT])
    assert got.final == (0xB000, (None, 1, 1, 0))
    assert got.failed == [instance_uid(1, 1, 1)]
    assert list(got.arrived) == [instance_uid(1, 1, 2)]


def test_7_15_without_the_scp_role_there_is_no_sub_operation(live: LiveAe) -> None:
    """conformance.md 7.15, PS3.7 D.3.3.4."""
    got = _Got(live, key("STUDY", StudyInstanceUID=study_uid(1)), [_SC, _CT], with_roles=False)
    assert got.final == (0xA702, (None, 0, 2, 0))
    assert sorted(got.failed) == [instance_uid(1, 1, 1), instance_uid(1, 1, 2)]
    assert got.arrived == {}


@pytest.mark.parametrize(
    ("status", "final"),
    [(0xB007, (0xB000, (None, 0, 0, 2))), (0xA700, (0xA702, (None, 0, 2, 0))), (0x0000, (0x0000, (None, 2, 0, 0)))],
)
def test_7_6_the_statuses_of_the_peer_are_counted(
    live: LiveAe, status: int, final: tuple[int, tuple[int | None, ...]]
) -> None:
    got = _Got(live, key("STUDY", StudyInstanceUID=study_uid(1)), [_SC, _CT], status=status)
    assert got.final == final
    assert len(got.failed) == final[1][2]


def test_7_6_a_full_temporary_folder_costs_large_instances_alone(
    live: LiveAe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    large = make_instance(3, 1, 1, EncapsulatedDocument=bytes(17 << 20), MIMETypeOfEncapsulatedDocument="text/plain")
    ingest(live, large, make_instance(3, 1, 2))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    got = _Got(live, key("STUDY", StudyInstanceUID=study_uid(3)), [_SC])
    assert got.final == (0xB000, (None, 1, 1, 0))
    assert got.failed == [instance_uid(3, 1, 1)]
    assert "TMPDIR" in caplog.text


def test_7_6_c_cancel_ends_the_sub_operations(live: LiveAe) -> None:
    got = _Got(live, key("STUDY", StudyInstanceUID=study_uid(2)), [_SC], cancel_after=3)
    status, (remaining, completed, failed, warnings) = got.final
    assert (status, failed, warnings) == (0xFE00, 0, 0)
    assert completed == len(got.arrived)
    assert remaining == 30 - len(got.arrived)
    assert 3 <= len(got.arrived) < 30


def test_7_6_a_compressed_image_arrives_as_stored_or_transcoded(live: LiveAe) -> None:
    path = str(get_testdata_file("JPEG2000.dcm"))
    stored = dcmread(path)
    wanted = key("STUDY", StudyInstanceUID=stored.StudyInstanceUID)
    sop_class, syntax = str(stored.SOPClassUID), str(stored.file_meta.TransferSyntaxUID)
    got = _Got(live, wanted, [(sop_class, [JPEG2000, syntax])])
    ((arrived_in, data),) = got.arrived.values()
    assert (arrived_in, got.final[0]) == (JPEG2000, 0x0000) or arrived_in == syntax
    assert Path(path).read_bytes().endswith(data)
    got = _Got(live, wanted, [(sop_class, [ImplicitVRLittleEndian])])
    assert got.final == (0x0000, (None, 1, 0, 0))
    ((arrived_in, data),) = got.arrived.values()
    assert arrived_in == ImplicitVRLittleEndian
    decoded = dcmread(BytesIO(data), force=True)
    decoded.file_meta = Dataset()  # type: ignore[assignment]  # for the decoder to know the transfer syntax
    decoded.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert (decoded.pixel_array == stored.pixel_array).all()


def test_7_6_the_same_refusals_as_c_move(live: LiveAe) -> None:
    for model, identifier in (
        (STUDY_ROOT, key("STUDY")),
        (STUDY_ROOT, key("STUDY", StudyInstanceUID="*")),
        (PATIENT_ROOT, key("PATIENT", PatientID="*")),
        (STUDY_ROOT, key("PATIENT", PatientID="P1")),
    ):
        got = _Got(live, identifier, [_SC], model=model)
        assert got.final == (0xA900, (None, None, None, None))
        assert got.arrived == {}
    got = _Got(live, key("STUDY", StudyInstanceUID="1.2.3"), [_SC])
    assert got.final == (0x0000, (None, 0, 0, 0))


def test_7_6_getscu_of_dcmtk(live: LiveAe, tmp_path: Path) -> None:
    said = dcmtk(
        "getscu", "-v", "-S", "-aet", "CT1", "-aec", "DICOMCOMMON", "-od", tmp_path,
        "127.0.0.1", str(live.port), "-k", "0008,0052=STUDY", "-k", f"0020,000D={study_uid(1)}",
    )  # fmt: skip
    assert "Received C-GET Response (Success)" in said
    assert len(list(tmp_path.iterdir())) == 2


def test_7_6_a_requestor_that_answers_no_c_store_is_waited_for_as_a_destination_is(tmp_path: Path) -> None:
    with live_ae(tmp_path, "[dimse.retrieve]\nresponse_seconds = 0.3") as live, raw_scu(live.port) as scu:
        ingest(live, make_instance(1))
        contexts = ((1, f"{STUDY_ROOT}.3", (IMPLICIT,)), (3, SECONDARY_CAPTURE, (EXPLICIT, IMPLICIT)))
        role = item(0x54, struct.pack(">H", len(SECONDARY_CAPTURE)) + SECONDARY_CAPTURE.encode() + b"\0\1")
        assert scu.associate(contexts=contexts, user_items=role)[0] == ACCEPT
        asked = command({2: f"{STUDY_ROOT}.3", 0x100: 0x10, 0x110: 1, 0x700: 0}, has_data_set=True)
        identifier = encode(key("STUDY", StudyInstanceUID=study_uid(1)), is_implicit_vr=True, is_little_endian=True)
        assert identifier is not None
        scu.send(p_data(fragment(1, asked, is_command=True, is_last=True)))
        scu.send(p_data(fragment(1, identifier, is_command=False, is_last=True)))
        while (read := scu.read())[0] == P_DATA:
            pass
        assert read[0] == ABORT
