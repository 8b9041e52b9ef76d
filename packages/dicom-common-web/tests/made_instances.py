"""Instances that the tests make."""

from __future__ import annotations

import io
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

__all__ = ["grey", "instance_uid", "make_instance", "series_uid", "study_uid"]

ROOT = "2.25.7"


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
    transfer_syntax: str = ExplicitVRLittleEndian,
    **attributes: Any,
) -> bytes:
    """Make the bytes of an instance in explicit VR little endian, whatever its transfer syntax says."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
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
    pydicom.dcmwrite(stream, file, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return stream.getvalue()


def grey(rows: int, columns: int, **attributes: Any) -> dict[str, Any]:
    """Return the attributes of an image of 8 bits, MONOCHROME2, and further ones."""
    described = {"Rows": rows, "Columns": columns, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    described |= {"PixelRepresentation": 0, "SamplesPerPixel": 1}
    return {**described, "PhotometricInterpretation": "MONOCHROME2", **attributes}
