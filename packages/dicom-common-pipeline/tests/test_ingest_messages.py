"""The events of an ingest: their fields, in their order, and the form of their values."""

from __future__ import annotations

import io
import json
import re
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from pipeline_site import Make, Site

from dicom_common.core import Logs, Origin, ReceivedObject
from dicom_common.dicom import hash_uid
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received


def fields_of(text: str) -> list[str]:
    return text.split()


LOG = fields_of("""trace_id worker_node_id tenant_id patient_id study_uid series_uid sop_uid file_size file_path
    transfer_syntax_uid number_of_frames created_time series_uid_hash study_uid_hash accession_number target_ts
    study_date transfer_status source_ip source_ae""")
STATE = fields_of("""tenant_id patient_id study_uid series_uid study_uid_hash series_uid_hash study_date_origin
    patient_name patient_sex patient_birth_date patient_birth_time patient_age patient_size patient_weight
    study_date study_time
    accession_number study_id study_description modality series_number series_date series_time series_description
    body_part_examined protocol_name series_related_instances created_time updated_time""")
IMAGE = fields_of("""tenant_id patient_id study_uid series_uid sop_uid study_uid_hash series_uid_hash study_date_origin
    instance_number content_date content_time image_type image_orientation_patient image_position_patient
    slice_thickness spacing_between_slices slice_location samples_per_pixel photometric_interpretation width columns
    bits_allocated bits_stored high_bit pixel_representation rescale_intercept rescale_slope rescale_type
    window_center window_width transfer_syntax_uid pixel_data_location thumbnail_location sop_class_uid image_status
    space_size created_time updated_time""")
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


def only(site: Site, topic: str) -> tuple[Any, dict[str, Any]]:
    [event] = site.events(topic)
    return event, json.loads(event.body)


@pytest.fixture
def full(site: Site, make: Make) -> Site:
    """An installation that took in one instance with a value of each kind."""
    data = make(
        PatientName="Wang^XiaoDong=王^小東=",
        PatientBirthDate="19700203",
        PatientBirthTime="0405",
        PatientSex="O",
        PatientSize="1.75",
        PatientWeight="70",
        StudyTime="101112.131415",
        AccessionNumber="A1",
        SeriesNumber=7,
        ImageType=["DERIVED", "PRIMARY"],
        ImagePositionPatient=[0, -1.5, 2],
        Rows=3,
        Columns=5,
        SpecificCharacterSet="ISO_IR 192",
    )
    with Services(site.config()) as services, Ingest(services) as ingest:
        origin = Origin(source="dimse", ae_title="AET", ip="192.0.2.1")
        [result] = ingest.store([Received(source=data, name="x", origin=origin)], tenant="local")
    assert result.status == "stored"
    return site


@pytest.mark.parametrize(
    ("topic", "fields"), [("log_queue", LOG), ("dicom_state_queue", STATE), ("dicom_image_queue", IMAGE)]
)
def test_each_message_has_its_fields_in_their_order(full: Site, topic: str, fields: list[str]) -> None:
    assert list(only(full, topic)[1]) == fields


def test_a_log_message_tells_what_was_received(full: Site) -> None:
    _, body = only(full, "log_queue")
    [row] = full.rows
    assert UUID(body["trace_id"]).version == 7
    assert (body["file_path"], body["file_size"]) == (row.key, row.size)
    assert body["study_uid_hash"] == hash_uid(row.study_uid)
    assert body["series_uid_hash"] == hash_uid(row.series_uid)
    assert body["study_date"] == "2026-01-02"
    assert body["accession_number"] == "A1"
    assert body["number_of_frames"] == 1
    assert body["target_ts"] == body["transfer_syntax_uid"] == "1.2.840.10008.1.2.1"
    assert body["transfer_status"] == "NoNeedTransfer"
    assert (body["source_ip"], body["source_ae"]) == ("192.0.2.1", "AET")
    assert TIMESTAMP.fullmatch(body["created_time"])


def received_log(site: Site, **overrides: Any) -> list[ReceivedObject]:
    with Services(site.config(**overrides)) as services:
        assert isinstance(services.db, Logs)
        return services.db.read_log(ReceivedObject, "local")


def test_the_log_of_received_objects_says_what_the_log_message_says(full: Site) -> None:
    _, body = only(full, "log_queue")
    [record] = received_log(full)
    assert (record.id, f"{record.time:%Y-%m-%dT%H:%M:%S.%f}") == (body["trace_id"], body["created_time"])
    assert (record.key, record.size, record.worker_node) == tuple(
        body[name] for name in ("file_path", "file_size", "worker_node_id")
    )
    assert [record.study_uid, record.series_uid, record.sop_uid, record.patient_id, record.accession_number] == [
        body[name] for name in ("study_uid", "series_uid", "sop_uid", "patient_id", "accession_number")
    ]
    assert (record.source_ip, record.source_ae) == ("192.0.2.1", "AET")
    assert record.study_date == date(2026, 1, 2)


def test_only_what_is_new_is_logged_as_received(site: Site, make: Make) -> None:
    with Services(site.config()) as services, Ingest(services) as ingest:
        ingest.store([Received(source=make(n), name="x") for n in (1, 2)], tenant="local")
        ingest.store([Received(source=make(n), name="x") for n in (1, 2, 3)], tenant="local")
        ingest.store([Received(source=make(1, payload=b"different"), name="x")], tenant="local")
    assert len(received_log(site)) == len(site.rows) == len(site.events("log_queue")) == 3


def test_the_log_of_received_objects_can_be_left_out(site: Site, make: Make) -> None:
    with Services(site.config(ingest__received_log="false")) as services, Ingest(services) as ingest:
        ingest.store([Received(source=make(), name="x")], tenant="local")
    assert received_log(site) == []
    assert len(site.events("log_queue")) == 1


def test_a_state_message_has_dates_times_and_numbers_in_their_forms(full: Site) -> None:
    _, body = only(full, "dicom_state_queue")
    assert body["patient_name"] == "Wang^XiaoDong=王^小東"
    assert (body["patient_birth_date"], body["patient_birth_time"]) == ("1970-02-03", "04:05:00")
    assert (body["study_date"], body["study_time"]) == ("2026-01-02", "10:11:12.131415")
    assert body["study_date_origin"] == "20260102"
    assert (body["patient_size"], body["patient_weight"], body["series_number"]) == (1.75, 70, 7)
    assert body["study_description"] is None
    assert body["series_related_instances"] == 1
    assert TIMESTAMP.fullmatch(body["created_time"])
    assert TIMESTAMP.fullmatch(body["updated_time"])


def test_an_image_message_joins_several_values_as_a_data_set_does(full: Site) -> None:
    _, body = only(full, "dicom_image_queue")
    assert body["image_type"] == "DERIVED\\PRIMARY"
    assert body["image_position_patient"] == "0\\-1.5\\2"
    assert body["image_orientation_patient"] is None
    assert (body["width"], body["columns"]) == (3, 5)  # Rows are called width on this wire
    assert body["image_status"] == "ACTIVE"
    assert body["thumbnail_location"] is None
    assert body["pixel_data_location"] == full.rows[0].key


@pytest.mark.parametrize("topic", ["log_queue", "dicom_state_queue", "dicom_image_queue"])
def test_key_and_headers_are_those_that_consumers_route_and_deduplicate_by(full: Site, topic: str) -> None:
    event, _ = only(full, topic)
    [row] = full.rows
    assert event.key == f"local|{row.study_uid}|{row.series_uid}"
    assert event.headers == {
        "schema-version": "1",
        "event-id": event.id,
        "tenant": "local",
        "content-digest": f"sha256:{row.sha256}",
    }
    assert UUID(event.id).version == 7


def test_a_batch_has_one_state_message_for_each_series_with_the_count_of_the_index(site: Site, make: Make) -> None:
    site.store(make(1))
    site.store(make(2), make(3), make(1, series=2))
    states = [json.loads(event.body) for event in site.events("dicom_state_queue")]
    counts = [(body["series_uid"], body["series_related_instances"]) for body in states]
    assert counts == [("2.25.1.1.1", 1), ("2.25.1.1.1", 3), ("2.25.1.1.2", 1)]
    assert len(site.events("dicom_image_queue")) == len(site.events("log_queue")) == 4


def test_numbers_that_json_does_not_know_are_no_messages_with_nan(site: Site, make: Make) -> None:
    data = make(PatientWeight="1.5", PatientSize="2.5").replace(b"1.5 ", b"NaN ").replace(b"2.5 ", b"inf ")
    assert b"NaN" in data
    [result] = site.store(data)
    assert result.status == "stored"
    _, body = only(site, "dicom_state_queue")
    assert (body["patient_weight"], body["patient_size"]) == (None, None)


def test_the_names_of_the_topics_are_settings(site: Site, make: Make) -> None:
    site.store(make(), topics__log="a", topics__state="b", topics__image="c")
    assert [len(site.events(topic)) for topic in ("a", "b", "c")] == [1, 1, 1]


def test_a_stream_is_an_instance_too(site: Site, make: Make) -> None:
    stream = io.BytesIO(b"before" + make())
    stream.seek(6)
    [result] = site.store(stream)
    assert result.status == "stored"
    assert list(site.objects.values()) == [make()]
