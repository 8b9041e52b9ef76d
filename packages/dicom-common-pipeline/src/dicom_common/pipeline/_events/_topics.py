"""What a message of each topic holds: one definition, which the messages, their parsing and their schemas follow.

The field names are a wire format that other parts of an imaging installation listen to: some are odd (`width` holds
Rows), and stay as they are.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from dicom_common.pipeline._settings import TopicSettings
from dicom_common.toolkit import parse_json

__all__ = [
    "SCHEMA_VERSION",
    "AccessMessage",
    "ImageMessage",
    "ReceivedMessage",
    "StateMessage",
    "TopicKind",
    "body_of",
    "message_schema",
    "received_from",
]

SCHEMA_VERSION = "1"

Uid = Annotated[str, Meta(pattern="^[0-9.]{1,64}$")]
_Hash = Annotated[str, Meta(pattern="^[0-9]{20}$")]
StudyHash = Annotated[_Hash, Meta(description="SeaHash of the UID, 20 decimal digits.")]
Date = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Time = Annotated[str, Meta(pattern=r"^[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$")]
_Timestamp = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}$")]
Received = Annotated[_Timestamp, Meta(description="When the object was received; UTC.")]
Made = Annotated[_Timestamp, Meta(description="When the message was made; UTC.")]
StorageKey = Annotated[str, Meta(description="The storage key.")]
Bytes = Annotated[int, Meta(ge=0, description="Bytes.")]
OriginalDate = Annotated[str, Meta(description="Study Date (0008,0020) as in the data set, or an empty string.")]


class ReceivedMessage(Struct, kw_only=True):
    """One object was received: the topics `storage` and `log`."""

    trace_id: Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    worker_node_id: str
    tenant_id: str
    patient_id: str
    study_uid: Uid
    series_uid: Uid
    sop_uid: Uid
    file_size: Bytes
    file_path: StorageKey
    transfer_syntax_uid: Uid
    number_of_frames: int
    created_time: Received
    series_uid_hash: _Hash
    study_uid_hash: StudyHash
    accession_number: str | None
    target_ts: Annotated[Uid | None, Meta(description="The transfer syntax that it is to be converted to for viewers.")]
    study_date: Date | None
    transfer_status: Literal["NoNeedTransfer", "NeedTransfer", "Success", "Failed"]
    source_ip: str | None
    source_ae: str | None


class StateMessage(Struct, kw_only=True):
    """The instances of a series have changed: the topic `state`."""

    tenant_id: str
    patient_id: str
    study_uid: Uid
    series_uid: Uid
    study_uid_hash: StudyHash
    series_uid_hash: _Hash
    study_date_origin: OriginalDate
    patient_name: str | None
    patient_sex: str | None
    patient_birth_date: Date | None
    patient_birth_time: Time | None
    patient_age: str | None
    patient_size: float | None
    patient_weight: float | None
    study_date: Date | None
    study_time: Time | None
    accession_number: str | None
    study_id: str | None
    study_description: str | None
    modality: str | None
    series_number: int | None
    series_date: Date | None
    series_time: Time | None
    series_description: str | None
    body_part_examined: str | None
    protocol_name: str | None
    series_related_instances: Annotated[
        int, Meta(ge=0, description="How many instances the series has; 0: it is gone.")
    ]
    created_time: Received
    updated_time: Made


class ImageMessage(Struct, kw_only=True):
    """An instance is in the index, or was removed from it: the topic `image`."""

    tenant_id: str
    patient_id: str
    study_uid: Uid
    series_uid: Uid
    sop_uid: Uid
    study_uid_hash: StudyHash
    series_uid_hash: _Hash
    study_date_origin: OriginalDate
    instance_number: int | None
    content_date: Date | None
    content_time: Time | None
    image_type: Annotated[
        str | None,
        Meta(
            description="Several values are joined by a backslash (PS3.5 6.2), here and in the other fields of several"
            " values."
        ),
    ]
    image_orientation_patient: str | None
    image_position_patient: str | None
    slice_thickness: float | None
    spacing_between_slices: float | None
    slice_location: float | None
    samples_per_pixel: int | None
    photometric_interpretation: str | None
    width: Annotated[int | None, Meta(description="Rows (0028,0010): the name is that of the tables that listen.")]
    columns: int | None
    bits_allocated: int | None
    bits_stored: int | None
    high_bit: int | None
    pixel_representation: int | None
    rescale_intercept: float | None
    rescale_slope: float | None
    rescale_type: str | None
    window_center: str | None
    window_width: str | None
    transfer_syntax_uid: Uid
    pixel_data_location: StorageKey
    thumbnail_location: str | None
    sop_class_uid: Uid
    image_status: Annotated[
        Literal["ACTIVE", "DELETED"], Meta(description="DELETED: the instance was removed from the index.")
    ]
    space_size: Bytes
    created_time: Received
    updated_time: Made


class AccessMessage(Struct, kw_only=True):
    """The web interface answered a request: the topic `access`."""

    timestamp: Annotated[_Timestamp, Meta(description="When the request came; UTC.")]
    tenant_id: str
    request_id: str
    method: str
    path: str
    query_params: str
    peer_addr: str | None
    headers: Annotated[dict[str, str], Meta(description="Of the request, without those that hold credentials.")]
    user: str | None
    user_id: str | None
    status: Annotated[int, Meta(ge=100, le=599)]
    content_length: Annotated[Annotated[int, Meta(ge=0)] | None, Meta(description="Bytes of the answer.")]
    duration_ms: Annotated[Annotated[float, Meta(ge=0)] | None, Meta(description="Milliseconds.")]


TopicKind = Literal["storage", "log", "state", "image", "access"]
"""The topics, as the table `[topics]` calls them."""

_MESSAGES: dict[TopicKind, tuple[type[Struct], str]] = {
    "storage": (ReceivedMessage, "An object was received in queued mode: a worker has to index it."),
    "log": (ReceivedMessage, "An object was received and is in the index."),
    "state": (StateMessage, "A series has new instances, or instances of it were removed."),
    "image": (ImageMessage, "An instance is in the index, or was removed from it."),
    "access": (AccessMessage, "The web interface answered a request."),
}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""Consumers have seen numbers as Python writes them (`1e-05`). msgspec writes the same texts, and the same numbers of
ordinary size, and is ten times as fast."""
_FLOATS: dict[type[Struct], list[str]] = {
    kind: [name for name, what in get_type_hints(kind).items() if float in get_args(what)]
    for kind in (StateMessage, ImageMessage, ReceivedMessage, AccessMessage)
}


def body_of(message: Struct) -> bytes:
    """Return a message as it is published: one JSON object, UTF-8, its fields in the order of their definition."""
    for name in _FLOATS[type(message)]:
        value = getattr(message, name)
        if value is not None and value != 0 and not 1e-3 <= abs(value) < 1e9:
            return _encode(msgspec.structs.asdict(message)).encode()
    return msgspec.json.encode(message)


def received_from(body: bytes) -> ReceivedMessage:
    """Read a message of the topics `storage` and `log`. Fields that it does not know are passed over.

    Raises:
        ValueError: it is not one.
    """
    try:
        return msgspec.convert(parse_json(body), ReceivedMessage)
    except msgspec.ValidationError:
        pass  # its error may quote the message
    raise ValueError("it is not a message of an object that was received")


def message_schema(kind: TopicKind) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the messages of a topic.

    Its `schemaVersion` is what the header `schema-version` of each message says. A version never changes: fields are
    added, removed or given another meaning only with another one.

    Args:
        kind: the topic's key in the table `[topics]`, whatever the topic is called there.
    """
    message, description = _MESSAGES[kind]
    _, components = msgspec.json.schema_components([message])
    fields = components[message.__name__]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:dicom-common:message:{kind}:{SCHEMA_VERSION}",
        "title": getattr(TopicSettings(), kind),
        "description": description,
        "schemaVersion": SCHEMA_VERSION,
        "type": "object",
        "additionalProperties": False,
        "required": fields["required"],
        "properties": {name: _flat(schema) for name, schema in fields["properties"].items()},
    }


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    """Write "of this type, or null" as two names of types."""
    if "anyOf" not in schema:
        return schema
    value, _ = sorted(schema["anyOf"], key=lambda one: one["type"] == "null")
    rest = {name: part for name, part in schema.items() if name != "anyOf"}
    return {**rest, **value, "type": [value["type"], "null"]}
