"""Instances that the tests make and ingest, and what asks for them: pynetdicom as SCU and as Move Destination."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pydicom
from live_ae import LiveAe
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from dicom_common.pipeline import Ingest, Received
from dicom_common.testing.servers import free_port

__all__ = [
    "PATIENT_ROOT",
    "ROOT",
    "STUDY_ROOT",
    "Arrived",
    "MoveDestination",
    "ask",
    "asked",
    "data_set_of",
    "destination",
    "free_port",
    "ingest",
    "instance_uid",
    "key",
    "make_instance",
    "series_uid",
    "stored_by",
    "study_uid",
]

ROOT = "2.25.7"
PATIENT_ROOT, STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.1", "1.2.840.10008.5.1.4.1.2.2"


def study_uid(study: int = 1) -> str:
    return f"{ROOT}.{study}"


def series_uid(study: int = 1, series: int = 1) -> str:
    return f"{ROOT}.{study}.{series}"


def instance_uid(study: int = 1, series: int = 1, instance: int = 1) -> str:
    return f"{ROOT}.{study}.{series}.{instance}"


def make_instance(
    study: int = 1,
    series: int = 1,
    instance: int = 1,
    *,
    sop_class: str = SecondaryCaptureImageStorage,
    transfer_syntax: str = ExplicitVRLittleEndian,
    **attributes: Any,
) -> bytes:
    """Make the file of an instance, in explicit VR unless its transfer syntax is implicit VR little endian."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance_uid(study, series, instance))
    dataset = Dataset()
    if any(isinstance(value, str) and not value.isascii() for value in attributes.values()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = study_uid(study)
    dataset.SeriesInstanceUID = series_uid(study, series)
    named = {"PatientID": f"P{study}", "StudyDate": "20260102", "Modality": "OT", "InstanceNumber": instance}
    for keyword, value in (named | attributes).items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    file = FileDataset(stream, dataset, file_meta=meta, preamble=bytes(128))
    implicit = transfer_syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(stream, file, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
    return stream.getvalue()


def ingest(live: LiveAe, *files: bytes, tenant: str = "local") -> None:
    """Store and index files."""
    received = [Received(source=file, name=str(number)) for number, file in enumerate(files)]
    with Ingest(live.services) as taker:
        results = list(taker.store(received, tenant=tenant))
    assert all(result.status in ("stored", "duplicate") for result in results), results


def key(level: str, **keys: Any) -> Dataset:
    """Make an identifier."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


@contextmanager
def asked(
    live: LiveAe, *abstract: str, calling: str = "CT1", transfer_syntax: str = ImplicitVRLittleEndian, **options: Any
) -> Iterator[Association]:
    """Have an association for SOP classes; further options are those of `AE.associate`."""
    scu = AE(ae_title=calling)
    for uid in abstract:
        scu.add_requested_context(uid, transfer_syntax)
    association = scu.associate("127.0.0.1", live.port, ae_title="DICOMCOMMON", **options)
    assert association.is_established
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def ask(
    live: LiveAe, identifier: Dataset, model: str = STUDY_ROOT, **options: Any
) -> tuple[list[Dataset], list[Dataset]]:
    """Send a C-FIND; return the identifiers and the statuses of the responses."""
    uid = f"{model}.1"
    with asked(live, uid, **options) as association:
        answers = list(association.send_c_find(identifier, uid))
    return [found for _, found in answers if found is not None], [status for status, _ in answers]


def data_set_of(file: bytes) -> bytes:
    """Return the data set of a file that `make_instance` made."""
    return file[144 + int.from_bytes(file[140:144], "little") :]


def stored_by(event: Event) -> str:
    """Return the SOP Instance UID that a C-STORE says it has."""
    assert isinstance(event.request, C_STORE)
    return str(event.request.AffectedSOPInstanceUID)


@dataclass
class Arrived:
    """What came to a Move Destination."""

    sop_uid: str
    transfer_syntax: str
    data: bytes
    """The data set as it came."""
    originator: tuple[str | None, int | None]


@dataclass
class MoveDestination:
    """A storage SCP of pynetdicom."""

    arrived: list[Arrived] = field(default_factory=list)
    associations: int = 0


@contextmanager
def destination(
    port: int,
    abstract: Sequence[str],
    syntaxes: Sequence[str],
    status: Callable[[Event], int] = lambda _: 0x0000,
    title: str = "DEST",
) -> Iterator[MoveDestination]:
    """Run a Move Destination until the block ends.

    Args:
        port: where it listens.
        abstract: the SOP classes that it takes.
        syntaxes: the transfer syntaxes that it takes.
        status: gives the status of a C-STORE.
        title: its AE title.
    """
    made = MoveDestination()

    def store(event: Event) -> int:
        asked_for = event.request
        assert isinstance(asked_for, C_STORE)
        originator = (asked_for.MoveOriginatorApplicationEntityTitle, asked_for.MoveOriginatorMessageID)
        data = event.encoded_dataset(include_meta=False)
        made.arrived.append(
            Arrived(str(asked_for.AffectedSOPInstanceUID), event.context.transfer_syntax, data, originator)
        )
        return status(event)

    def accepted(_: Event) -> None:
        made.associations += 1

    scp = AE(ae_title=title)
    for uid in abstract:
        scp.add_supported_context(uid, list(syntaxes))
    server = scp.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store), (evt.EVT_ACCEPTED, accepted)]
    )
    assert server is not None
    try:
        yield made
    finally:
        for association in scp.active_associations:
            association.abort()
        server.shutdown()
