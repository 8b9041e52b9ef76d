"""Made-up instances, and an embedded installation with a look at all that it holds."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicom_common.core import Stored
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Result

ROOT = "2.25.1"


class Make(Protocol):
    """Makes the bytes of an instance."""

    def __call__(
        self,
        sop: int = 1,
        *,
        series: int = 1,
        study: int = 1,
        patient: str = "P1",
        payload: bytes = b"",
        sender: str = "SENDER",
        **attributes: Any,
    ) -> bytes: ...


def make_instance(
    sop: int = 1,
    *,
    series: int = 1,
    study: int = 1,
    patient: str = "P1",
    payload: bytes = b"",
    sender: str = "SENDER",
    **attributes: Any,
) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID(f"{ROOT}.{study}.{series}.{sop}")
    meta.SourceApplicationEntityTitle = sender
    dataset = Dataset()
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = f"{ROOT}.{study}"
    dataset.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    dataset.PatientID = patient
    dataset.StudyDate = "20260102"
    dataset.Modality = "OT"
    dataset.InstanceNumber = sop
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    if payload:
        dataset.add_new(0x00420011, "OB", payload)  # Encapsulated Document
    stream = io.BytesIO()
    FileDataset(stream, dataset, file_meta=meta, preamble=bytes(128)).save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@dataclass
class Site:
    """An embedded installation in a folder of its own."""

    data: Path
    _opened: list[Services] = field(default_factory=list)

    def config(self, **overrides: Any) -> Config:
        named = {name.replace("__", "."): value for name, value in overrides.items()}
        return Config.load(overrides={"data": str(self.data), **named}, variables={})

    def services(self, **overrides: Any) -> Services:
        services = Services(self.config(**overrides))
        self._opened.append(services)
        return services

    def ingest(self, **overrides: Any) -> Ingest:
        return Ingest(self.services(**overrides))

    def store(self, *sources: Any, tenant: str = "local", **overrides: Any) -> list[Result]:
        """Store in one batch, with an ingest of its own."""
        received = [Received(source=source, name=str(number)) for number, source in enumerate(sources)]
        services = Services(self.config(**overrides))
        with services, Ingest(services) as ingest:
            return ingest.store(received, tenant=tenant)

    def close(self) -> None:
        for services in self._opened:
            services.close()

    @property
    def objects(self) -> dict[str, bytes]:
        with Services(self.config()) as services:
            return {info.key: b"".join(services.storage.read(info.key)) for info in services.storage.scan()}

    @property
    def rows(self) -> list[Stored]:
        with Services(self.config()) as services:
            return list(services.db.walk())

    @property
    def discarded(self) -> list[str]:
        with Services(self.config()) as services:
            return services.db.discarded(10_000)

    def events(self, topic: str) -> list[Any]:
        """All that wait in the outbox for a topic."""
        with Services(self.config()) as services:
            pending = services.db.pending(10_000, relay="look", lease=0)
            return [event for event in pending if event.topic == topic]

    def assert_consistent(self) -> None:
        """Every row has its object with the row's digest; every object has a row or is to be deleted."""
        objects, rows, discarded = self.objects, self.rows, set(self.discarded)
        assert len({(row.tenant, row.sop_uid) for row in rows}) == len(rows)
        for row in rows:
            assert row.key in objects, f"the object of {row.sop_uid} is lost"
            assert hashlib.sha256(objects[row.key]).hexdigest() == row.sha256
        assert objects.keys() - {row.key for row in rows} <= discarded


_EXTENSION = """
import os, signal, time
from dataclasses import dataclass
from dicom_common.core import Backend, hookimpl

calls = []


@dataclass(frozen=True)
class Settings:
    pass


class Made:
    def __init__(self, settings):
        pass

    HOOK

    def close(self):
        pass


@hookimpl
def dicom_common_extension():
    return Backend("NAME", Settings, Made)
"""


def extension_source(name: str, method: str) -> str:
    """Return the module of an extension with one hook, as a method."""
    return _EXTENSION.replace("HOOK", method.strip().replace("\n", "\n    ")).replace("NAME", name)
