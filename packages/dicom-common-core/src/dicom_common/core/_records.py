"""The records that cross package borders: what an instance is, what is stored of it, what happened to it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time as time_of_day
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from dicom_common.core._errors import ConfigError

__all__ = [
    "DEFAULT_TENANT",
    "AddStatus",
    "Entry",
    "Event",
    "Finding",
    "Instance",
    "Origin",
    "Outcome",
    "PersonName",
    "PixelData",
    "Principal",
    "RequestAttributes",
    "Stored",
    "uuid7",
    "validate_tenant",
]

DEFAULT_TENANT = "local"
"""The tenant of the command line where the configuration names none. What listens on a network has no default."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def validate_tenant(tenant: str) -> str:
    """Return `tenant` if it is a tenant id: 1 to 63 of `a-z 0-9 -`, not starting with `-`.

    A tenant id becomes part of storage keys and rows, so nothing else is let through.

    Raises:
        ConfigError: it is not.
    """
    if _TENANT.fullmatch(tenant) is None:
        raise ConfigError(
            f"{tenant!r} is not a tenant id: use 1 to 63 of the characters a-z, 0-9 and '-', not starting with '-'."
        )
    return tenant


class PersonName(NamedTuple):
    """The three component groups of a PN value (PS3.5 6.2.1); an absent group is an empty string."""

    alphabetic: str = ""
    ideographic: str = ""
    phonetic: str = ""

    def __str__(self) -> str:
        return "=".join(self).rstrip("=")


class RequestAttributes(NamedTuple):
    """What of one item of Request Attributes Sequence (0040,0275) can be searched (PS3.18 table 10.6.1-5)."""

    scheduled_procedure_step_id: str | None
    requested_procedure_id: str | None


class Finding(NamedTuple):
    """A warning of the reader: something in a data set that the standard does not allow and that was tolerated.

    `tag` is eight hex digits, with the tags of the enclosing sequences before it, joined by dots. `rule` is a stable
    code, `action` says what was done. A value of the data set is in none of them.
    """

    tag: str
    rule: str
    action: str


class PixelData(NamedTuple):
    """Where the pixel data of an instance lies in the bytes as received.

    `offset` is the first byte of the Value Field. `length` is in bytes; None for encapsulated pixel data, which has an
    undefined length (PS3.5 A.4). In a deflated transfer syntax (PS3.5 A.5) the offset counts inflated bytes.
    """

    tag: int
    vr: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Instance:
    """What the library knows of one SOP instance from its header.

    An absent or unreadable value is None (an empty tuple where there may be several), an absent Patient ID is `""`.
    Numbers are plain numbers in the unit of the standard: `patient_size` in metres, `patient_weight` in kilograms,
    thickness, spacing and positions in millimetres. `ATTRIBUTES` maps the fields to the attributes.
    """

    # Identity: the only mandatory attributes.
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    # The bytes as received.
    transfer_syntax_uid: str
    size: int
    sha256: str
    data_set_offset: int = 0
    """The first byte behind preamble and file meta. Files that are equal from there on hold the same instance."""
    pixel_data: PixelData | None = None
    character_set: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()
    # Patient
    patient_id: str = ""
    issuer_of_patient_id: str | None = None
    patient_name: PersonName | None = None
    patient_birth_date: date | None = None
    patient_birth_time: time_of_day | None = None
    patient_sex: str | None = None
    # Study
    study_date: date | None = None
    study_date_origin: str = ""
    """Study Date as the data set has it, readable as a date or not."""
    study_time: time_of_day | None = None
    accession_number: str | None = None
    referring_physician_name: PersonName | None = None
    timezone_offset_from_utc: str | None = None
    study_description: str | None = None
    patient_age: str | None = None
    patient_size: float | None = None
    patient_weight: float | None = None
    study_id: str | None = None
    # Series
    modality: str | None = None
    series_date: date | None = None
    series_time: time_of_day | None = None
    manufacturer: str | None = None
    institution_name: str | None = None
    station_name: str | None = None
    series_description: str | None = None
    body_part_examined: str | None = None
    protocol_name: str | None = None
    series_number: int | None = None
    laterality: str | None = None
    performed_procedure_step_start_date: date | None = None
    performed_procedure_step_start_time: time_of_day | None = None
    request_attributes: tuple[RequestAttributes, ...] = ()
    # Instance
    image_type: tuple[str, ...] = ()
    instance_creation_date: date | None = None
    instance_creation_time: time_of_day | None = None
    acquisition_date: date | None = None
    acquisition_time: time_of_day | None = None
    content_date: date | None = None
    content_time: time_of_day | None = None
    slice_thickness: float | None = None
    spacing_between_slices: float | None = None
    instance_number: int | None = None
    image_position_patient: tuple[float, ...] = ()
    image_orientation_patient: tuple[float, ...] = ()
    slice_location: float | None = None
    samples_per_pixel: int | None = None
    photometric_interpretation: str | None = None
    number_of_frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    bits_allocated: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    pixel_representation: int | None = None
    window_center: tuple[float, ...] = ()
    window_width: tuple[float, ...] = ()
    rescale_intercept: float | None = None
    rescale_slope: float | None = None
    rescale_type: str | None = None

    def __repr__(self) -> str:
        # A record may end up in a traceback or a log line: the patient's attributes must not.
        return f"<Instance {self.sop_uid}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an instance came from. Never trusted for more than a log: an AE title is not an authentication."""

    source: str = "local"
    """How it arrived: `local`, `dimse`, `stow`, `queue`, ..."""
    ae_title: str | None = None
    ip: str | None = None
    user: str | None = None
    """The verified subject of the sender's token; None where no token was verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One instance that is durable in the storage and is to be indexed."""

    tenant: str
    key: str
    """Where the storage has it."""
    instance: Instance
    metadata: bytes = field(repr=False)
    """Its DICOM JSON object (PS3.18 Annex F), UTF-8."""
    received: datetime
    """When it was received; UTC, with its zone."""
    replace: bool = False
    """Whether it takes the place of an instance of the same SOP Instance UID with other bytes."""
    accept_other_patient: bool = True
    """Whether it may join a study that the index has under another patient; the study then stays there."""
    keeps_key: bool = False
    """Whether its key is left alone where the index refuses it, unless that has the same bytes: what becomes of the
    object is for the caller to decide."""
    frames: bytes = field(default=b"", repr=False)
    """Where its frames lie, as `dicom_common.dicom.FrameIndex.to_bytes` writes it; see `KeptFrames`. Empty: unknown."""


class AddStatus(StrEnum):
    """What became of one entry of `Database.add`."""

    ADDED = "added"
    SAME = "same"
    """The index had the same bytes (`sha256`); nothing changed."""
    REPLACED = "replaced"
    CONFLICT = "conflict"
    """The index has other bytes under this SOP Instance UID, and the entry does not replace; nothing changed."""
    MISPLACED = "misplaced"
    """The index has this SOP Instance UID in another study or series; nothing changed."""
    OTHER_PATIENT = "other-patient"
    """The study belongs to another patient, and the entry does not accept that; nothing changed."""
    RETIRED = "retired"
    """The entry's key is being deleted from the storage: write the bytes under another key and add again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer of `Database.add` to one entry. `key` and `sha256` are what the index now has for the instance."""

    status: AddStatus
    key: str
    sha256: str
    series_instances: int = 0
    """How many instances the index has of the series, this transaction included."""
    patient_differs: bool = False
    """The study was already there under another patient and stays there."""
    series_in_other_study: bool = False
    """The Series Instance UID also occurs in another study of this tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One indexed instance: its identity and where its bytes are."""

    tenant: str
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    key: str
    size: int
    sha256: str


def uuid7() -> UUID:
    """Make a UUID of version 7 (RFC 9562 5.7): its order is the order of creation, to the millisecond."""
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    return UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One message that has to reach the broker: written with the index rows, published by the relay."""

    tenant: str
    topic: str
    key: str
    """Messages of one key keep their order: `<tenant>|<study>|<series>`."""
    body: bytes = field(repr=False)
    """One JSON object, UTF-8. Like the metadata of an entry it is not in the repr: it holds a patient's attributes."""
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid7()))
    """By which a consumer knows an event that it sees twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, as far as an authenticator has verified it."""

    subject: str
    tenant: str
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
