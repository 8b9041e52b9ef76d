"""conformance.md 7.5 and 7.15: C-MOVE. Destinations, counts, failed lists, bytes as stored, transcoding, C-CANCEL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import count
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
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.events import Event
from stored_instances import (
    PATIENT_ROOT,
    STUDY_ROOT,
    asked,
    data_set_of,
    destination,
    free_port,
    ingest,
    instance_uid,
    key,
    make_instance,
    series_uid,
    stored_by,
    study_uid,
)

_EVERY_CLASS = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
_numbers = count(10)


@contextmanager
def _archive(folder: Path, settings: str = "", more: str = "") -> Iterator[tuple[LiveAe, int]]:
    """Serve, with the destination DEST on a free port."""
    port = free_port()
    peers = f"""
[dimse.peers.ct1]
ae_title = "CT1"
tenant = "local"
allow = ["store", "find", "retrieve"]
[dimse.peers.dest]
ae_title = "DEST"
host = "127.0.0.1"
port = {port}
tenant = "local"
{more}"""
    with live_ae(folder, settings, peers) as live:
        yield live, port


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveAe, int]]:
    """An archive for tests with studies of their own, and the port of its destination."""
    with _archive(tmp_path_factory.mktemp("archive"), "[dimse.retrieve]\nkeep_seconds = 0.0") as made:
        yield made


@pytest.fixture
def n() -> int:
    """The number of a study that no other test has."""
    return next(_numbers)


def _move(
    live: LiveAe, identifier: Dataset, to: str = "DEST", model: str = STUDY_ROOT, **options: Any
) -> tuple[list[Dataset], Dataset | None]:
    """Send a C-MOVE; return the statuses and the data set of the final response."""
    uid = f"{model}.2"
    with asked(live, uid, **options) as association:
        answers = list(association.send_c_move(identifier, to, uid, msg_id=11))
    return [status for status, _ in answers], answers[-1][1]


def _counts(status: Dataset) -> tuple[int | None, ...]:
    names = ("Remaining", "Completed", "Failed", "Warning")
    return tuple(status.get(f"NumberOf{name}Suboperations") for name in names)


def test_7_5_stored_bytes_arrive_with_the_originator_and_exact_counts(archive: tuple[LiveAe, int], n: int) -> None:
    files = [make_instance(n, 1, number, PatientName="Doe^Jane") for number in (1, 2, 3)]
    live, port = archive
    with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
        ingest(live, *files)
        statuses, listed = _move(live, key("STUDY", StudyInstanceUID=study_uid(n)))
        assert [status.Status for status in statuses] == [0xFF00, 0xFF00, 0x0000]
        assert [_counts(status) for status in statuses] == [(2, 1, 0, 0), (1, 2, 0, 0), (None, 3, 0, 0)]
        assert listed is None
        assert [one.data for one in there.arrived] == [data_set_of(file) for file in files]
        assert {one.originator for one in there.arrived} == {("CT1", 11)}


def test_7_5_bundled_files_of_every_transfer_syntax_arrive_byte_for_byte(archive: tuple[LiveAe, int]) -> None:
    names = (
        "CT_small.dcm",
        "JPEG2000.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "image_dfl.dcm",
        "rtplan.dcm",
    )
    files = [Path(str(get_testdata_file(name))).read_bytes() for name in names]
    live, port = archive
    with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
        ingest(live, *files)
        for name in names:
            study = dcmread(str(get_testdata_file(name)), specific_tags=["StudyInstanceUID"]).StudyInstanceUID
            statuses, _ = _move(live, key("STUDY", StudyInstanceUID=study))
            assert statuses[-1].Status == 0x0000, name
        for name, file in zip(names, files, strict=True):
            made = dcmread(BytesIO(file), stop_before_pixels=True)
            one, *_ = [one for one in there.arrived if one.sop_uid == made.SOPInstanceUID]
            assert one.transfer_syntax == made.file_meta.TransferSyntaxUID, name
            # One of odd length, a deflated one, gets the zero that PS3.8 E.1 wants.
            assert file.endswith(one.data) or (one.data[-1:] == b"\0" and file.endswith(one.data[:-1])), name
            assert len(one.data) > len(file) - 1500, name


def test_7_5_series_images_and_lists(tmp_path: Path) -> None:
    settings = "[dimse.retrieve]\nkeep_seconds = 120.0"
    with _archive(tmp_path, settings) as (live, port), destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
        ingest(live, *(make_instance(*one) for one in ((1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1), (3, 1, 1))))

        def sent(identifier: Dataset, model: str = STUDY_ROOT) -> list[str]:
            there.arrived.clear()
            statuses, _ = _move(live, identifier, model=model)
            assert statuses[-1].Status == 0x0000
            assert statuses[-1].NumberOfCompletedSuboperations == len(there.arrived)
            return sorted(one.sop_uid for one in there.arrived)

        study = {"StudyInstanceUID": study_uid(1)}
        first, second, third = (instance_uid(1, *one) for one in ((1, 1), (1, 2), (2, 1)))
        assert sent(key("SERIES", **study, SeriesInstanceUID=series_uid(1, 1))) == [first, second]
        assert sent(key("SERIES", **study, SeriesInstanceUID=[series_uid(1, 1), series_uid(1, 2)])) == [
            first, second, third,
        ]  # fmt: skip
        image = {**study, "SeriesInstanceUID": series_uid(1, 1)}
        assert sent(key("IMAGE", **image, SOPInstanceUID=[second, first])) == [first, second]
        assert sent(key("IMAGE", **image, SOPInstanceUID=third)) == []
        assert sent(key("STUDY", StudyInstanceUID=[study_uid(2), study_uid(3)])) == [
            instance_uid(2), instance_uid(3),
        ]  # fmt: skip
        assert sent(key("PATIENT", PatientID="P1"), PATIENT_ROOT) == [first, second, third]
        assert sent(key("STUDY", PatientID="P1", StudyInstanceUID=study_uid(1)), PATIENT_ROOT) == [first, second, third]
        assert sent(key("STUDY", PatientID="P2", StudyInstanceUID=study_uid(1)), PATIENT_ROOT) == []
        assert there.associations == 1, "the association to the destination is kept"


def test_7_5_zero_matches_are_0000_with_zeros(archive: tuple[LiveAe, int]) -> None:
    live, _ = archive
    (status,), listed = _move(live, key("STUDY", StudyInstanceUID="1.2.3"))
    assert (status.Status, _counts(status), listed or None) == (0x0000, (None, 0, 0, 0), None)


def test_7_5_destinations_come_from_the_configuration_only(tmp_path: Path) -> None:
    other = """
[dimse.peers.elsewhere]
ae_title = "ELSEWHERE"
host = "127.0.0.1"
port = 104
tenant = "other"
"""
    with _archive(tmp_path, more=other) as (live, _):
        ingest(live, make_instance(1))
        for title in ("UNKNOWN", "CT1", "ELSEWHERE"):  # CT1 has no address; ELSEWHERE is another tenant's
            (status,), _ = _move(live, key("STUDY", StudyInstanceUID=study_uid(1)), to=title)
            assert status.Status == 0xA801, title


def test_7_5_a_destination_that_cannot_be_reached_is_a702_with_all_failed(archive: tuple[LiveAe, int], n: int) -> None:
    live, _ = archive
    ingest(live, make_instance(n, 1, 1), make_instance(n, 1, 2))
    statuses, listed = _move(live, key("STUDY", StudyInstanceUID=study_uid(n)))
    assert statuses[-1].Status == 0xA702
    assert _counts(statuses[-1]) == (None, 0, 2, 0)
    assert listed is not None
    assert list(listed.FailedSOPInstanceUIDList) == [instance_uid(n, 1, 1), instance_uid(n, 1, 2)]


def test_7_5_failures_and_warnings_are_counted_and_the_failed_are_listed_in_the_data_set(
    archive: tuple[LiveAe, int], n: int
) -> None:
    """conformance.md 7.15: the Failed SOP Instance UID List is in the data set, not in the command."""

    def status_of(event: Event) -> int:
        return {instance_uid(n, 1, 1): 0xA700, instance_uid(n, 1, 2): 0xB000}.get(stored_by(event), 0x0000)

    live, port = archive
    with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES, status_of):
        ingest(live, *(make_instance(n, 1, number) for number in (1, 2, 3)))
        statuses, listed = _move(live, key("STUDY", StudyInstanceUID=study_uid(n)))
        assert (statuses[-1].Status, _counts(statuses[-1])) == (0xB000, (None, 1, 1, 1))
        assert listed is not None
        assert [(one.keyword, one.value) for one in listed] == [("FailedSOPInstanceUIDList", instance_uid(n, 1, 1))]
        image = {"StudyInstanceUID": study_uid(n), "SeriesInstanceUID": series_uid(n, 1)}
        statuses, listed = _move(live, key("IMAGE", **image, SOPInstanceUID=instance_uid(n, 1, 2)))
        assert (statuses[-1].Status, _counts(statuses[-1]), listed or None) == (0xB000, (None, 0, 0, 1), None)
        statuses, listed = _move(live, key("IMAGE", **image, SOPInstanceUID=instance_uid(n, 1, 1)))
        assert (statuses[-1].Status, _counts(statuses[-1])) == (0xA702, (None, 0, 1, 0))


def test_7_5_an_sop_class_that_the_destination_refuses_fails_alone(archive: tuple[LiveAe, int], n: int) -> None:
    live, port = archive
    with destination(port, [SecondaryCaptureImageStorage], ALL_TRANSFER_SYNTAXES) as there:
        ingest(live, make_instance(n, 1, 1), make_instance(n, 1, 2, sop_class=CTImageStorage))
        statuses, listed = _move(live, key("STUDY", StudyInstanceUID=study_uid(n)))
        assert (statuses[-1].Status, _counts(statuses[-1])) == (0xB000, (None, 1, 1, 0))
        assert listed is not None
        assert listed.FailedSOPInstanceUIDList == instance_uid(n, 1, 2)
        assert [one.sop_uid for one in there.arrived] == [instance_uid(n, 1, 1)]


@pytest.mark.parametrize("takes", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    "name", ["JPEG2000.dcm", "SC_rgb_rle.dcm", "SC_rgb_small_odd_big_endian.dcm", "rtplan.dcm", "CT_small.dcm"]
)
def test_7_5_what_the_destination_does_not_take_is_transcoded(
    archive: tuple[LiveAe, int], name: str, takes: str
) -> None:
    path = str(get_testdata_file(name))
    live, port = archive
    with destination(port, _EVERY_CLASS, [takes]) as there:
        ingest(live, Path(path).read_bytes())
        stored = dcmread(path)
        statuses, _ = _move(live, key("STUDY", StudyInstanceUID=stored.StudyInstanceUID))
        assert statuses[-1].Status == 0x0000
        (one,) = [one for one in there.arrived if one.sop_uid == stored.SOPInstanceUID]
        assert one.transfer_syntax == takes
        got = dcmread(BytesIO(_part_10(one.data, takes)))
        assert (got.SOPInstanceUID, got.PatientName) == (stored.SOPInstanceUID, stored.PatientName)
        assert {element.tag for element in got} >= {
            element.tag for element in stored if element.tag.element and element.tag != 0xFFFCFFFC
        }
        if "PixelData" in stored:
            assert (got.pixel_array == stored.pixel_array).all()


def _part_10(data: bytes, transfer_syntax: str) -> bytes:
    uid = transfer_syntax.encode() + b"\0" * (len(transfer_syntax) % 2)
    meta = b"\2\0\x10\0UI" + len(uid).to_bytes(2, "little") + uid
    return bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0" + len(meta).to_bytes(4, "little") + meta + data


def test_7_5_more_than_128_contexts_take_several_associations(archive: tuple[LiveAe, int], n: int) -> None:
    classes = sorted(_EVERY_CLASS)[:60]
    live, port = archive
    with destination(port, classes, ALL_TRANSFER_SYNTAXES) as there:
        ingest(
            live,
            *(
                make_instance(n, 1, number, sop_class=one, transfer_syntax=syntax)
                for number, (one, syntax) in enumerate(
                    ((one, syntax) for one in classes for syntax in (ExplicitVRLittleEndian, JPEG2000)), 1
                )
            ),
        )
        statuses, _ = _move(live, key("STUDY", StudyInstanceUID=study_uid(n)))
        assert (statuses[-1].Status, _counts(statuses[-1])) == (0x0000, (None, 120, 0, 0))
        assert there.associations == 2
        assert len({one.sop_uid for one in there.arrived}) == 120


def test_7_5_c_cancel_ends_the_sub_operations_with_fe00_and_what_remains(archive: tuple[LiveAe, int], n: int) -> None:
    uid, seen = f"{STUDY_ROOT}.2", threading.Event()

    def slow(event: Event) -> int:
        if stored_by(event) != instance_uid(n, 1, 1):
            seen.wait(60)
            time.sleep(0.5)  # the C-CANCEL is on its way: it has all that are left to arrive
        return 0x0000

    live, port = archive
    with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES, slow) as there:
        ingest(live, *(make_instance(n, 1, number) for number in range(1, 21)))
        with asked(live, uid) as association:
            statuses = []
            for status, _ in association.send_c_move(
                key("STUDY", StudyInstanceUID=study_uid(n)), "DEST", uid, msg_id=9
            ):
                statuses.append(status)
                if len(statuses) == 1:
                    association.send_c_cancel(9, query_model=uid)
                    seen.set()
                seen.set()
        last = statuses[-1]
        assert last.Status == 0xFE00
        remaining, completed, failed, warnings = _counts(last)
        assert completed == len(there.arrived)
        assert (remaining, failed, warnings) == (20 - len(there.arrived), 0, 0)
        assert 0 < len(there.arrived) < 20


def test_7_5_the_association_to_the_destination_is_kept_and_survives_its_end(tmp_path: Path) -> None:
    with _archive(tmp_path) as (live, port):
        ingest(live, make_instance(1), make_instance(2))
        with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
            for study in (1, 2, 1):
                assert _move(live, key("STUDY", StudyInstanceUID=study_uid(study)))[0][-1].Status == 0x0000
            assert there.associations == 1
        with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as again:
            assert _move(live, key("STUDY", StudyInstanceUID=study_uid(2)))[0][-1].Status == 0x0000
            assert (len(again.arrived), again.associations) == (1, 1)


def test_7_5_damaged_and_missing_objects_fail_and_nothing_of_them_is_sent(archive: tuple[LiveAe, int], n: int) -> None:
    live, port = archive
    with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
        ingest(live, *(make_instance(n, 1, number) for number in (1, 2, 3)))
        stored = live.services.db.stored("local", [instance_uid(n, 1, number) for number in (1, 2)])
        first, second = (stored[instance_uid(n, 1, number)] for number in (1, 2))
        live.services.storage.write(first.key, b"x" * first.size)
        live.services.storage.delete(second.key)
        statuses, listed = _move(live, key("STUDY", StudyInstanceUID=study_uid(n)))
        assert (statuses[-1].Status, _counts(statuses[-1])) == (0xB000, (None, 1, 2, 0))
        assert listed is not None
        assert set(listed.FailedSOPInstanceUIDList) == {first.sop_uid, second.sop_uid}
        assert [one.sop_uid for one in there.arrived] == [instance_uid(n, 1, 3)]


_EVERYTHING = (
    (STUDY_ROOT, key("STUDY")),
    (STUDY_ROOT, key("STUDY", StudyInstanceUID="")),
    (STUDY_ROOT, key("STUDY", StudyInstanceUID="*")),
    (STUDY_ROOT, key("STUDY", StudyInstanceUID="2.25.?")),
    (STUDY_ROOT, key("STUDY", StudyInstanceUID=[study_uid(1), "*"])),
    (STUDY_ROOT, key("STUDY", PatientID="P1")),
    (STUDY_ROOT, key("STUDY", StudyInstanceUID=study_uid(1), SeriesInstanceUID=series_uid(1))),
    (STUDY_ROOT, key("SERIES", StudyInstanceUID=study_uid(1), SeriesInstanceUID="")),
    (STUDY_ROOT, key("SERIES", SeriesInstanceUID=series_uid(1))),
    (STUDY_ROOT, key("IMAGE", StudyInstanceUID=study_uid(1), SeriesInstanceUID=series_uid(1), SOPInstanceUID="*")),
    (STUDY_ROOT, key("PATIENT", PatientID="P1")),
    (STUDY_ROOT, key("", StudyInstanceUID=study_uid(1))),
    (PATIENT_ROOT, key("PATIENT", PatientID="*")),
    (PATIENT_ROOT, key("PATIENT", PatientID="")),
    (PATIENT_ROOT, key("STUDY", StudyInstanceUID=study_uid(1))),
)


def test_7_15_nobody_asks_for_the_whole_archive(archive: tuple[LiveAe, int]) -> None:
    """conformance.md 7.15: an absent, empty or `*` unique key is refused (C.4.2.2.1)."""
    live, port = archive
    ingest(live, make_instance(1))
    with destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
        for number, (model, identifier) in enumerate(_EVERYTHING):
            (status,), listed = _move(live, identifier, model=model)
            assert (status.Status, listed or None) == (0xA900, None), number
        assert there.arrived == []


def test_7_5_too_many_instances_are_a701(tmp_path: Path) -> None:
    with _archive(tmp_path, "[dimse.retrieve]\nmax_instances = 2") as (live, _):
        ingest(live, *(make_instance(1, 1, number) for number in (1, 2, 3)))
        (status,), _ = _move(live, key("STUDY", StudyInstanceUID=study_uid(1)))
        assert status.Status == 0xA701


def test_7_5_movescu_and_storescp_of_dcmtk(tmp_path: Path) -> None:
    file = make_instance(1, PatientName="Doe^Jane")
    with _archive(tmp_path) as (live, port):
        ingest(live, file)
        own = tmp_path / "moved"
        own.mkdir()
        said = dcmtk(
            "movescu", "-v", "-S", "-aet", "CT1", "-aem", "DEST", "-aec", "DICOMCOMMON", "+P", str(port), "-od", own,
            "127.0.0.1", str(live.port), "-k", "0008,0052=STUDY", "-k", f"0020,000D={study_uid(1)}",
        )  # fmt: skip
        assert "Received Final Move Response (Success)" in said
        (moved,) = own.iterdir()
        assert moved.read_bytes().endswith(data_set_of(file))


def test_7_5_a_patient_id_of_several_issuers_is_no_one_patient(tmp_path: Path) -> None:
    with _archive(tmp_path) as (live, port), destination(port, _EVERY_CLASS, ALL_TRANSFER_SYNTAXES) as there:
        ingest(
            live,
            make_instance(1, PatientID="SAME", IssuerOfPatientID="A"),
            make_instance(2, PatientID="SAME", IssuerOfPatientID="B"),
        )
        assert _move(live, key("PATIENT", PatientID="SAME"), model=PATIENT_ROOT)[0][-1].Status == 0xA900
        statuses, _ = _move(live, key("PATIENT", PatientID="SAME", IssuerOfPatientID="B"), model=PATIENT_ROOT)
        assert statuses[-1].Status == 0x0000
        assert [one.sop_uid for one in there.arrived] == [instance_uid(2)]
