"""Instances that the tests of the web make."""

from __future__ import annotations

import io
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

__all__ = ["made"]


def made(study: int, series: int, instance: int, **attributes: Any) -> bytes:
    """Make an instance whose UIDs are `2.25.7.<study>.<series>.<instance>` and its beginnings."""
    uid = f"2.25.7.{study}.{series}.{instance}"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID(uid)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, UID(uid)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.7.{study}", f"2.25.7.{study}.{series}"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    file = FileDataset(stream, dataset, file_meta=meta, preamble=bytes(128))
    pydicom.dcmwrite(stream, file, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return stream.getvalue()
