"""The events of an ingest: topics and fields that other parts of an imaging installation listen to.

The field names are a wire format: some are odd (`width` holds Rows), and stay as they are.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from dicom_common.core import (
    ATTRIBUTES,
    AddStatus,
    Database,
    Entry,
    Event,
    Instance,
    Level,
    LogRecord,
    Logs,
    Message,
    Origin,
    Outcome,
    ReceivedObject,
    Removed,
    WebAccess,
    uuid7,
)
from dicom_common.dicom import hash_uid
from dicom_common.pipeline._settings import IngestSettings, TopicSettings

__all__ = [
    "SCHEMA_VERSION",
    "access_message",
    "ingest_events",
    "keeps_log",
    "node_id",
    "removal_events",
    "series_key",
    "storage_message",
]

SCHEMA_VERSION = "1"
_EVENTFUL = (AddStatus.ADDED, AddStatus.REPLACED)


def node_id() -> str:
    """Name this process in messages: `<host>-<process id>`."""
    return f"{socket.gethostname()}-{os.getpid()}"


def series_key(tenant: str, instance: Instance) -> str:
    """Return the key by which the messages of a series keep their order."""
    return f"{tenant}|{instance.study_uid}|{instance.series_uid}"


def keeps_log(database: Database, settings: IngestSettings) -> bool:
    """Tell whether the transactions of an ingest write the log of received objects, too."""
    return settings.received_log and isinstance(database, Logs)


def ingest_events(  # noqa: PLR0913 - what an event is made of
    entries: Sequence[Entry],
    origins: Sequence[Origin],
    outcomes: Iterable[Outcome],
    topics: TopicSettings,
    node: str,
    *,
    log: bool,
    traces: Sequence[str] = (),
) -> Iterator[Event | LogRecord]:
    """Make the events of a transaction: a log and an image event for each new instance, one state event a series.

    With `log`, also the record of each log event, for the database's own log. `traces` are the ids of the objects' log
    records and log messages, of those that have one already.
    """
    now = datetime.now(UTC)
    series: dict[str, tuple[Entry, Outcome]] = {}
    known: Sequence[str | None] = traces or [None] * len(entries)
    for entry, origin, trace_id, outcome in zip(entries, origins, known, outcomes, strict=True):
        if outcome.status in _EVENTFUL:
            key = series_key(entry.tenant, entry.instance)
            series[key] = (entry, outcome)
            record = received_object(entry, origin, node, trace_id)
            if log:
                yield record
            yield _event(topics.log, key, entry, received_message(record))
            yield _event(topics.image, key, entry, image_message(entry, now))
    for key, (entry, outcome) in series.items():
        yield _event(topics.state, key, entry, state_message(entry, outcome.series_instances, now))


def removal_events(removed: Sequence[Removed], topics: TopicSettings) -> Iterator[Event]:
    """Make the events of a removal: an image event for each instance, one state event a series with what is left."""
    now = datetime.now(UTC)
    series: dict[str, Removed] = {}
    for one in removed:
        key = series_key(one.tenant, one.instance)
        series[key] = one
        yield _event(topics.image, key, one, image_message(one, now, status="DELETED"))
    for key, one in series.items():
        left, said = 0, one
        if one.series is not None:
            left, said = int(str(one.series["NumberOfSeriesRelatedInstances"])), replace(one, instance=_as_left(one))
        yield _event(topics.state, key, one, state_message(said, left, now))


def _as_left(removed: Removed) -> Instance:
    """Return what a state message says of a series that stays: the attributes of its row, of its study and patient."""
    row = removed.series or {}
    values: dict[str, Any] = {a.field: row[a.keyword] for a in ATTRIBUTES if a.level <= Level.SERIES}
    day: date | None = values["study_date"]
    values["study_date_origin"] = "" if day is None else f"{day:%Y%m%d}"
    return replace(removed.instance, **values | {"patient_id": values["patient_id"] or ""})


def _event(topic: str, key: str, entry: Entry | Removed, message: dict[str, Any]) -> Event:
    event_id = str(uuid7())
    headers = _headers(entry, event_id)
    return Event(tenant=entry.tenant, topic=topic, key=key, body=_body(message), headers=headers, id=event_id)


def storage_message(entry: Entry, origin: Origin, node: str) -> Message:
    """Make the message that asks a worker to index an object."""
    body = _body(received_message(received_object(entry, origin, node)))
    key = series_key(entry.tenant, entry.instance)
    return Message(key=key, body=body, headers=_headers(entry, str(uuid7())))


def access_message(record: WebAccess) -> Message:
    """Make the message of `webapi_access_queue`: the web interface answered a request.

    Publish it to the topic `access` of `TopicSettings`. Its event id is the id of the log record. No other message has
    its key: requests have no order but that of their time.
    """
    message = {
        "timestamp": _timestamp(record.time),
        "tenant_id": record.tenant,
        "request_id": record.request_id,
        "method": record.method,
        "path": record.path,
        "query_params": record.query,
        "peer_addr": record.peer,
        "headers": dict(record.headers),
        "user": record.user,
        "user_id": record.user_id,
        "status": record.status,
        "content_length": record.content_length,
        "duration_ms": record.duration_ms,
    }
    headers = {"schema-version": SCHEMA_VERSION, "event-id": record.id, "tenant": record.tenant}
    return Message(key=f"{record.tenant}|{record.id}", body=_body(message), headers=headers)


def _headers(entry: Entry | Removed, event_id: str) -> dict[str, str]:
    return {
        "schema-version": SCHEMA_VERSION,
        "event-id": event_id,
        "tenant": entry.tenant,
        "content-digest": f"sha256:{entry.instance.sha256}",
    }


def _body(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def received_object(entry: Entry, origin: Origin, node: str, trace_id: str | None = None) -> ReceivedObject:
    """Make the log record of an object that was received."""
    instance = entry.instance
    return ReceivedObject(
        id=trace_id or str(uuid7()),
        time=entry.received,
        tenant=entry.tenant,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_uid=instance.sop_uid,
        key=entry.key,
        size=instance.size,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        target_transfer_syntax_uid=instance.transfer_syntax_uid,
        frames=instance.number_of_frames or 1,
        worker_node=node,
        patient_id=instance.patient_id,
        accession_number=instance.accession_number,
        study_date=instance.study_date,
        source_ip=origin.ip,
        source_ae=origin.ae_title,
    )


def received_message(record: ReceivedObject) -> dict[str, Any]:
    """Make the message of `storage_queue` and `log_queue`: one object was received."""
    return {
        "trace_id": record.id,
        "worker_node_id": record.worker_node,
        "tenant_id": record.tenant,
        "patient_id": record.patient_id,
        "study_uid": record.study_uid,
        "series_uid": record.series_uid,
        "sop_uid": record.sop_uid,
        "file_size": record.size,
        "file_path": record.key,
        "transfer_syntax_uid": record.transfer_syntax_uid,
        "number_of_frames": record.frames,
        "created_time": _timestamp(record.time),
        "series_uid_hash": hash_uid(record.series_uid),
        "study_uid_hash": hash_uid(record.study_uid),
        "accession_number": record.accession_number,
        "target_ts": record.target_transfer_syntax_uid,
        "study_date": _date(record.study_date),
        "transfer_status": record.transfer_status,
        "source_ip": record.source_ip,
        "source_ae": record.source_ae,
    }


def state_message(entry: Entry | Removed, series_instances: int, now: datetime) -> dict[str, Any]:
    """Make the message of `dicom_state_queue`: the instances of a series have changed."""
    instance = entry.instance
    return {
        "tenant_id": entry.tenant,
        "patient_id": instance.patient_id,
        "study_uid": instance.study_uid,
        "series_uid": instance.series_uid,
        "study_uid_hash": hash_uid(instance.study_uid),
        "series_uid_hash": hash_uid(instance.series_uid),
        "study_date_origin": instance.study_date_origin,
        "patient_name": _text(instance.patient_name),
        "patient_sex": instance.patient_sex,
        "patient_birth_date": _date(instance.patient_birth_date),
        "patient_birth_time": _time(instance.patient_birth_time),
        "patient_age": instance.patient_age,
        "patient_size": instance.patient_size,
        "patient_weight": instance.patient_weight,
        "study_date": _date(instance.study_date),
        "study_time": _time(instance.study_time),
        "accession_number": instance.accession_number,
        "study_id": instance.study_id,
        "study_description": instance.study_description,
        "modality": instance.modality,
        "series_number": instance.series_number,
        "series_date": _date(instance.series_date),
        "series_time": _time(instance.series_time),
        "series_description": instance.series_description,
        "body_part_examined": instance.body_part_examined,
        "protocol_name": instance.protocol_name,
        "series_related_instances": series_instances,
        "created_time": _timestamp(entry.received),
        "updated_time": _timestamp(now),
    }


def image_message(entry: Entry | Removed, now: datetime, *, status: str = "ACTIVE") -> dict[str, Any]:
    """Make the message of `dicom_image_queue`: an instance is in the index, or (`DELETED`) is there no more."""
    instance = entry.instance
    return {
        "tenant_id": entry.tenant,
        "patient_id": instance.patient_id,
        "study_uid": instance.study_uid,
        "series_uid": instance.series_uid,
        "sop_uid": instance.sop_uid,
        "study_uid_hash": hash_uid(instance.study_uid),
        "series_uid_hash": hash_uid(instance.series_uid),
        "study_date_origin": instance.study_date_origin,
        "instance_number": instance.instance_number,
        "content_date": _date(instance.content_date),
        "content_time": _time(instance.content_time),
        "image_type": _joined(instance.image_type),
        "image_orientation_patient": _joined(instance.image_orientation_patient),
        "image_position_patient": _joined(instance.image_position_patient),
        "slice_thickness": instance.slice_thickness,
        "spacing_between_slices": instance.spacing_between_slices,
        "slice_location": instance.slice_location,
        "samples_per_pixel": instance.samples_per_pixel,
        "photometric_interpretation": instance.photometric_interpretation,
        "width": instance.rows,
        "columns": instance.columns,
        "bits_allocated": instance.bits_allocated,
        "bits_stored": instance.bits_stored,
        "high_bit": instance.high_bit,
        "pixel_representation": instance.pixel_representation,
        "rescale_intercept": instance.rescale_intercept,
        "rescale_slope": instance.rescale_slope,
        "rescale_type": instance.rescale_type,
        "window_center": _joined(instance.window_center),
        "window_width": _joined(instance.window_width),
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "pixel_data_location": entry.key,
        "thumbnail_location": None,
        "sop_class_uid": instance.sop_class_uid,
        "image_status": status,
        "space_size": instance.size,
        "created_time": _timestamp(entry.received),
        "updated_time": _timestamp(now),
    }


def _date(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _time(value: time | None) -> str | None:
    return None if value is None else value.isoformat()


def _timestamp(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _joined(values: Sequence[str | float]) -> str | None:
    # As a data set writes several values (PS3.5 6.2); a number that is whole has no fraction.
    return "\\".join(v if isinstance(v, str) else f"{v:.10g}" for v in values) or None
