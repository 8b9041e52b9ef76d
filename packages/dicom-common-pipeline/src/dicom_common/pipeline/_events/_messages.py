"""The events of an ingest and of a removal, the messages for the workers, and the message of a web request."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeVar, get_type_hints

from msgspec import Struct

from dicom_common.core import (
    ATTRIBUTES,
    AddStatus,
    Entry,
    Event,
    Instance,
    Level,
    LogRecord,
    Message,
    Origin,
    Outcome,
    PersonName,
    ReceivedObject,
    Removed,
    WebAccess,
    uuid7,
)
from dicom_common.dicom import hash_uid
from dicom_common.pipeline._events._topics import (
    SCHEMA_VERSION,
    AccessMessage,
    ImageMessage,
    ReceivedMessage,
    StateMessage,
    body_of,
)
from dicom_common.pipeline._settings import TopicSettings

__all__ = [
    "IngestEvents",
    "Trace",
    "access_message",
    "node_id",
    "removal_events",
    "series_key",
    "storage_message",
    "time_from",
]

M = TypeVar("M", bound=Struct)


def node_id() -> str:
    """Name this process in messages: `<host>-<process id>`."""
    return f"{socket.gethostname()}-{os.getpid()}"


def series_key(tenant: str, study_uid: str, series_uid: str) -> str:
    """Return the key by which the messages of a series keep their order."""
    return f"{tenant}|{study_uid}|{series_uid}"


class Trace(NamedTuple):
    """How an object came in."""

    id: str
    """By which its messages and its log record are known."""
    origin: Origin
    node: str
    """The process that took it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestEvents:
    """Makes the events of a transaction: a log and an image event for each new instance, one state event a series.

    It can be pickled: a worker process hands it to the process that commits.
    """

    entries: Sequence[Entry]
    traces: Sequence[Trace]
    topics: TopicSettings
    log: bool
    """Whether the record of each log event is made too, for the database's own log."""

    def __call__(self, outcomes: Sequence[Outcome]) -> Iterator[Event | LogRecord]:
        """Make the events of what was added or replaced."""
        now = _timestamp(datetime.now(UTC))
        series: dict[str, tuple[Entry, Outcome]] = {}
        for entry, trace, outcome in zip(self.entries, self.traces, outcomes, strict=True):
            if outcome.status in (AddStatus.ADDED, AddStatus.REPLACED):
                series[_key(entry)] = (entry, outcome)
                received = _received(entry, trace)
                if self.log:
                    yield _record(received)
                yield _event(self.topics.log, entry, received)
                yield _event(self.topics.image, entry, _image(entry, now))
        for entry, outcome in series.values():
            yield _event(self.topics.state, entry, _state(entry, entry.instance, outcome.series_instances, now))


def removal_events(removed: Sequence[Removed], topics: TopicSettings) -> Iterator[Event]:
    """Make the events of a removal: an image event for each instance, one state event a series with what is left."""
    now = _timestamp(datetime.now(UTC))
    for one in removed:
        yield _event(topics.image, one, _image(one, now, status="DELETED"))
    for one in {_key(one): one for one in removed}.values():
        left, instance = 0, one.instance
        if one.series is not None:
            left, instance = int(str(one.series["NumberOfSeriesRelatedInstances"])), _what_is_left(one)
        yield _event(topics.state, one, _state(one, instance, left, now))


def _what_is_left(removed: Removed) -> Instance:
    """Return what a state message has of a series that stays: the attributes of its row, of its study and patient."""
    row = removed.series or {}
    values: dict[str, Any] = {a.field: row[a.keyword] for a in ATTRIBUTES if a.level <= Level.SERIES}
    day: date | None = values["study_date"]
    values["study_date_origin"] = "" if day is None else f"{day:%Y%m%d}"
    return replace(removed.instance, **values | {"patient_id": values["patient_id"] or ""})


def storage_message(entry: Entry, trace: Trace) -> Message:
    """Make the message that asks a worker to index an object."""
    body = body_of(_received(entry, trace))
    return Message(key=_key(entry), body=body, headers=_headers(entry, str(uuid7())))


def access_message(record: WebAccess) -> Message:
    """Make the message of `webapi_access_queue`: the web interface answered a request.

    Publish it to the topic `access` of `TopicSettings`. Its event id is the id of the log record. No other message has
    its key: requests have no order but that of their time. Whatever a client sends has a message: a
    lone surrogate is a `?`, and a duration that is not finite is null.
    """
    duration = record.duration_ms
    message = AccessMessage(
        timestamp=_timestamp(record.time),
        tenant_id=record.tenant,
        request_id=_encodable(record.request_id),
        method=_encodable(record.method),
        path=_encodable(record.path),
        query_params=_encodable(record.query),
        peer_addr=None if record.peer is None else _encodable(record.peer),
        headers={_encodable(name): _encodable(value) for name, value in record.headers.items()},
        user=None if record.user is None else _encodable(record.user),
        user_id=None if record.user_id is None else _encodable(record.user_id),
        status=record.status,
        content_length=record.content_length,
        duration_ms=duration if duration is None or math.isfinite(duration) else None,
    )
    headers = {"schema-version": SCHEMA_VERSION, "event-id": record.id, "tenant": record.tenant}
    return Message(key=f"{record.tenant}|{record.id}", body=body_of(message), headers=headers)


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def time_from(timestamp: str) -> datetime:
    """Return the moment of a timestamp of a message; ValueError where there is no such day or time."""
    return datetime.fromisoformat(timestamp).replace(tzinfo=UTC)


def _key(entry: Entry | Removed) -> str:
    return series_key(entry.tenant, entry.instance.study_uid, entry.instance.series_uid)


def _event(topic: str, entry: Entry | Removed, message: Struct) -> Event:
    event_id = str(uuid7())
    headers = _headers(entry, event_id)
    return Event(tenant=entry.tenant, topic=topic, key=_key(entry), body=body_of(message), headers=headers, id=event_id)


def _headers(entry: Entry | Removed, event_id: str) -> dict[str, str]:
    return {
        "schema-version": SCHEMA_VERSION,
        "event-id": event_id,
        "tenant": entry.tenant,
        "content-digest": f"sha256:{entry.instance.sha256}",
    }


def _received(entry: Entry, trace: Trace) -> ReceivedMessage:
    instance = entry.instance
    return _filled(
        ReceivedMessage,
        instance,
        trace_id=trace.id,
        worker_node_id=trace.node,
        tenant_id=entry.tenant,
        file_size=instance.size,
        file_path=entry.key,
        number_of_frames=instance.number_of_frames or 1,
        created_time=_timestamp(entry.received),
        target_ts=instance.transfer_syntax_uid,
        transfer_status="NoNeedTransfer",
        source_ip=trace.origin.ip,
        source_ae=trace.origin.ae_title,
    )


def _record(message: ReceivedMessage) -> ReceivedObject:
    """Return the row of the log of received objects."""
    return ReceivedObject(
        id=message.trace_id,
        time=time_from(message.created_time),
        tenant=message.tenant_id,
        study_uid=message.study_uid,
        series_uid=message.series_uid,
        sop_uid=message.sop_uid,
        key=message.file_path,
        size=message.file_size,
        transfer_syntax_uid=message.transfer_syntax_uid,
        target_transfer_syntax_uid=message.target_ts,
        transfer_status=message.transfer_status,
        frames=message.number_of_frames,
        worker_node=message.worker_node_id,
        patient_id=message.patient_id,
        accession_number=message.accession_number,
        study_date=None if message.study_date is None else date.fromisoformat(message.study_date),
        source_ip=message.source_ip,
        source_ae=message.source_ae,
    )


def _state(entry: Entry | Removed, instance: Instance, series_instances: int, now: str) -> StateMessage:
    return _filled(
        StateMessage,
        instance,
        tenant_id=entry.tenant,
        series_related_instances=series_instances,
        created_time=_timestamp(entry.received),
        updated_time=now,
    )


def _image(entry: Entry | Removed, now: str, *, status: Literal["ACTIVE", "DELETED"] = "ACTIVE") -> ImageMessage:
    return _filled(
        ImageMessage,
        entry.instance,
        tenant_id=entry.tenant,
        width=entry.instance.rows,
        pixel_data_location=entry.key,
        thumbnail_location=None,
        image_status=status,
        space_size=entry.instance.size,
        created_time=_timestamp(entry.received),
        updated_time=now,
    )


def _filled(kind: type[M], instance: Instance, **given: object) -> M:
    """Make a message: the fields that are not given are the attributes of the instance with the same names."""
    names, values_of, converted = _TAKEN[kind]
    values = dict(zip(names, values_of(instance), strict=True))
    for name, convert in converted:
        if (value := values[name]) is not None:
            values[name] = convert(value)
    values["study_uid_hash"] = hash_uid(instance.study_uid)
    values["series_uid_hash"] = hash_uid(instance.series_uid)
    values.update(given)
    return kind(**values)


def _timestamp(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _joined(values: Sequence[str | float]) -> str | None:
    # As a data set writes several values (PS3.5 6.2); a number that is whole has no fraction.
    return "\\".join(v if isinstance(v, str) else f"{v:.10g}" for v in values) or None


_CONVERT: dict[Any, Callable[[Any], Any]] = {
    date | None: date.isoformat,
    time | None: time.isoformat,
    PersonName | None: str,
    tuple[str, ...]: _joined,
    tuple[float, ...]: _joined,
}
"""What becomes of a value of an instance, by the type of its attribute; other values are taken as they are."""

_TYPES = get_type_hints(Instance)


def _taken(kind: type[Struct]) -> tuple[list[str], Callable[[Instance], tuple[Any, ...]], list[tuple[str, Any]]]:
    """Return the fields that have the names of attributes, what takes their values, and what converts some of them."""
    names = [name for name in kind.__struct_fields__ if name in _TYPES]
    return names, attrgetter(*names), [(name, _CONVERT[_TYPES[name]]) for name in names if _TYPES[name] in _CONVERT]


_TAKEN: dict[type[Struct], Any] = {kind: _taken(kind) for kind in (ReceivedMessage, StateMessage, ImageMessage)}
