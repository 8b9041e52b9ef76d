"""What becomes of an instance: stored, a duplicate, replaced, or refused; and what storage and index hold then."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pipeline_site import Make, Site

from dicom_common.core import ConfigError, DamagedError, Level, NotFoundError, Query
from dicom_common.pipeline import Ingest, Received, read_verified, remove

Write = Callable[[Sequence[bytes]], list[Path]]


def outcomes(results: Sequence[object]) -> list[tuple[str, str]]:
    return [(str(getattr(result, "status")), getattr(result, "reason")) for result in results]  # noqa: B009


def test_an_instance_is_stored_byte_by_byte_and_indexed(site: Site, make: Make) -> None:
    [result] = site.store(make())
    assert (result.status, result.reason, result.sop_uid) == ("stored", "", "2.25.1.1.1.1")
    assert site.objects == {result.key: make()}
    assert [row.key for row in site.rows] == [result.key]
    site.assert_consistent()


def test_the_same_bytes_are_a_success_without_a_write_or_an_event(site: Site, make: Make) -> None:
    [first] = site.store(make())
    file = site.data / "objects" / (first.key or "")
    before = file.stat()
    [second] = site.store(make())
    assert (second.status, second.reason, second.key) == ("duplicate", "same-bytes", first.key)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert len(site.events("dicom_image_queue")) == 1


@pytest.mark.parametrize("policy", ["reject", "replace", "keep"])
def test_the_same_data_set_behind_another_file_meta_is_the_same_instance(site: Site, make: Make, policy: str) -> None:
    [first] = site.store(make(sender="A"), ingest__duplicates=policy)
    for other in (make(sender="LONGER"), make(sender="")):
        [second] = site.store(other, ingest__duplicates=policy)
        assert (second.status, second.reason, second.key) == ("duplicate", "same-data-set", first.key)
    assert list(site.objects.values()) == [make(sender="A")]
    assert len(site.events("dicom_image_queue")) == 1


def test_a_value_in_the_pixel_data_that_looks_like_the_end_is_no_same_data_set(site: Site, make: Make) -> None:
    # The shorter file is the end of the longer one, but what stands before it is no file meta.
    data = make()
    site.store(b"x" * 128 + data[128:])
    [second] = site.store(make(payload=b"12"))
    assert (second.status, second.reason) == ("rejected", "duplicate-differs")


def test_other_bytes_are_rejected_by_default(site: Site, make: Make) -> None:
    site.store(make(payload=b"old!"))
    [second] = site.store(make(payload=b"new!"))
    assert (second.status, second.reason, second.retry) == ("rejected", "duplicate-differs", False)
    assert second.sop_uid == "2.25.1.1.1.1"
    assert list(site.objects.values()) == [make(payload=b"old!")]
    site.assert_consistent()


def test_keep_says_success_and_keeps_the_first(site: Site, make: Make) -> None:
    [first] = site.store(make(payload=b"old!"), ingest__duplicates="keep")
    [second] = site.store(make(payload=b"new!"), ingest__duplicates="keep")
    assert (second.status, second.reason, second.key) == ("duplicate", "kept-first", first.key)
    assert list(site.objects.values()) == [make(payload=b"old!")]
    assert len(site.events("dicom_image_queue")) == 1


def test_replace_leaves_one_object_under_a_new_key_with_new_events(site: Site, make: Make) -> None:
    [first] = site.store(make(payload=b"old!"), ingest__duplicates="replace")
    [second] = site.store(make(payload=b"new!"), ingest__duplicates="replace")
    assert second.status == "replaced"
    assert second.key != first.key
    assert site.objects == {second.key: make(payload=b"new!")}
    [row] = site.rows
    assert row.key == second.key
    assert len(site.events("dicom_image_queue")) == 2
    site.assert_consistent()


def test_replace_back_and_forth_always_leaves_the_last(site: Site, make: Make) -> None:
    for number in range(6):
        data = make(payload=b"even" if number % 2 else b"odd!")
        [result] = site.store(data, ingest__duplicates="replace")
        assert list(site.objects.values()) == [data]
        assert result.status == ("stored" if number == 0 else "replaced")
    site.assert_consistent()


@pytest.mark.parametrize("policy", ["reject", "replace", "keep"])
def test_a_sop_instance_uid_of_another_series_is_never_taken(site: Site, make: Make, policy: str) -> None:
    site.store(make(), ingest__duplicates=policy)
    elsewhere = make(SeriesInstanceUID="2.25.9")
    [second] = site.store(elsewhere, ingest__duplicates=policy)
    assert (second.status, second.reason) == ("rejected", "uid-in-other-series")
    # In one batch with an instance that the index does not know yet, the transaction finds out.
    results = site.store(make(2), make(2, StudyInstanceUID="2.25.8"), ingest__duplicates=policy)
    assert outcomes(results) == [("stored", ""), ("rejected", "uid-in-other-series")]
    assert len(site.objects) == 2
    site.assert_consistent()


def test_a_study_of_another_patient_stays_with_the_first_and_warns(site: Site, make: Make) -> None:
    site.store(make(1, patient="P1"))
    [second] = site.store(make(2, patient="P2"))
    assert second.status == "stored"
    assert "study-of-other-patient" in {warning.rule for warning in second.warnings}
    with site.services() as services:
        studies = services.db.find(Query(tenant="local", level=Level.STUDY))
    assert [study["PatientID"] for study in studies] == ["P1"]


def test_a_study_of_another_patient_can_be_refused(site: Site, make: Make) -> None:
    site.store(make(1, patient="P1"), ingest__other_patient="reject")
    [second] = site.store(make(2, patient="P2"), ingest__other_patient="reject")
    assert (second.status, second.reason) == ("rejected", "other-patient")
    assert len(site.objects) == len(site.rows) == 1
    assert site.discarded == []


def test_a_series_of_two_studies_is_told(site: Site, make: Make) -> None:
    site.store(make(1, SeriesInstanceUID="2.25.77"))
    [second] = site.store(make(2, study=2, SeriesInstanceUID="2.25.77"))
    assert second.status == "stored"
    assert "series-in-other-study" in {warning.rule for warning in second.warnings}


def test_the_same_instance_twice_in_a_batch_is_stored_once(site: Site, make: Make) -> None:
    results = site.store(make(), make(), make(2), make())
    assert outcomes(results) == [
        ("stored", ""),
        ("duplicate", "same-bytes"),
        ("stored", ""),
        ("duplicate", "same-bytes"),
    ]
    assert len(site.objects) == len(site.rows) == 2


@pytest.mark.parametrize(
    ("policy", "second", "remains"),
    [
        ("reject", ("rejected", "duplicate-differs"), b"old!"),
        ("keep", ("duplicate", "kept-first"), b"old!"),
        ("replace", ("replaced", ""), b"new!"),
    ],
)
def test_differing_bytes_in_one_batch_follow_the_policy_in_their_order(
    site: Site, make: Make, policy: str, second: tuple[str, str], remains: bytes
) -> None:
    results = site.store(make(payload=b"old!"), make(payload=b"new!"), ingest__duplicates=policy)
    assert outcomes(results) == [("stored", ""), second]
    assert list(site.objects.values()) == [make(payload=remains)]
    site.assert_consistent()


def test_one_bad_instance_does_not_spoil_its_batch(site: Site, make: Make, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    closed = io.BytesIO(make(8))
    closed.close()
    bad = [b"", b"no DICOM", make()[:200], tmp_path / "absent", tmp_path, pipe, closed]
    results = site.store(make(1), *bad, make(2))
    assert [result.status for result in results] == ["stored", *["rejected"] * len(bad), "stored"]
    assert all(result.reason and result.message for result in results[1:-1])
    assert [result.name for result in results] == [str(number) for number in range(len(results))]
    assert len(site.objects) == len(site.rows) == 2


def test_a_file_a_stream_and_bytes_are_stored_alike_however_large(site: Site, make: Make, write: Write) -> None:
    instances = [make(number, payload=bytes([number]) * 300_000) for number in range(1, 7)]
    paths = write(instances[:3])
    small = {"ingest__in_memory_bytes": "1000"}
    stream = io.BytesIO(b"head" + instances[3])
    stream.seek(4)
    with paths[2].open("rb") as file:
        results = site.store(paths[0], paths[1], file, stream, instances[4], io.BytesIO(instances[5]), **small)
    assert [result.status for result in results] == ["stored"] * 6
    assert sorted(site.objects.values()) == sorted(instances)
    with site.services(**small) as services, Ingest(services) as ingest:
        [again] = ingest.store([Received(source=paths[0], name="x")], tenant="local")
    assert (again.status, again.reason) == ("duplicate", "same-bytes")
    [other_meta] = site.store(io.BytesIO(make(1, payload=b"\1" * 300_000, sender="X")), **small)
    assert (other_meta.status, other_meta.reason) == ("duplicate", "same-data-set")


def test_tenants_have_the_same_instance_side_by_side(site: Site, make: Make) -> None:
    [first] = site.store(make(), tenant="a")
    [second] = site.store(make(), tenant="b")
    [third] = site.store(make(payload=b"mine"), tenant="b", ingest__duplicates="replace")
    assert (first.status, second.status, third.status) == ("stored", "stored", "replaced")
    assert {key.split("/")[0]: data for key, data in site.objects.items()} == {"a": make(), "b": make(payload=b"mine")}
    with site.services() as services:
        assert services.db.stored("a", [first.sop_uid or ""])
        assert not services.db.stored("c", [first.sop_uid or ""])
    site.assert_consistent()


def test_what_is_no_tenant_id_is_refused_before_anything_is_read(site: Site) -> None:
    with pytest.raises(ConfigError):
        site.store(b"", tenant="../x")
    assert not site.objects


def test_an_empty_batch_has_no_answers(site: Site) -> None:
    assert site.store() == []


def test_an_object_that_was_lost_is_restored_by_the_next_store(site: Site, make: Make) -> None:
    [first] = site.store(make())
    file = site.data / "objects" / (first.key or "")
    flipped = bytes([*make()[:-1], make()[-1] ^ 1])
    for loss in (file.unlink, lambda: file.write_bytes(b"short"), lambda: file.write_bytes(flipped)):
        loss()
        [second] = site.store(make())
        assert (second.status, second.reason, second.key) == ("duplicate", "restored", first.key)
        assert site.objects == {first.key: make()}
    site.assert_consistent()


@pytest.mark.parametrize("policy", ["reject", "keep"])
@pytest.mark.parametrize("loss", [Path.unlink, lambda file: file.write_bytes(bytes(len(file.read_bytes())))])
def test_other_bytes_for_a_lost_object_are_not_acknowledged(
    site: Site, make: Make, policy: str, loss: Callable[[Path], object]
) -> None:
    [first] = site.store(make(payload=b"old!"))
    loss(site.data / "objects" / (first.key or ""))
    [second] = site.store(make(payload=b"new!"), ingest__duplicates=policy)
    assert (second.status, second.reason) == ("rejected", "indexed-object-missing")


def test_other_bytes_take_the_place_of_a_lost_object_where_they_may(site: Site, make: Make) -> None:
    [first] = site.store(make(payload=b"old!"))
    (site.data / "objects" / (first.key or "")).unlink()
    [second] = site.store(make(payload=b"new!"), ingest__duplicates="replace")
    assert second.status == "replaced"
    assert list(site.objects.values()) == [make(payload=b"new!")]
    site.assert_consistent()


def test_what_was_removed_can_be_stored_again(site: Site, make: Make) -> None:
    [first] = site.store(make())
    with site.services() as services:
        [removed] = remove(services, "local", first.study_uid or "")
        assert removed.key == first.key
        assert remove(services, "local", first.study_uid or "") == []
    assert site.objects == {}
    [second] = site.store(make())
    assert second.status == "stored"
    assert list(site.objects.values()) == [make()]
    site.assert_consistent()


def test_read_verified_gives_the_bytes_and_finds_damage_and_loss(site: Site, make: Make) -> None:
    [result] = site.store(make())
    [row] = site.rows
    file = site.data / "objects" / (result.key or "")
    with site.services() as services:
        assert b"".join(read_verified(services.storage, row)) == make()
        damaged = bytearray(make())
        damaged[-1] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(DamagedError):
            list(read_verified(services.storage, row))
        file.unlink()
        with pytest.raises(NotFoundError):
            list(read_verified(services.storage, row))
