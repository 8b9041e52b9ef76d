"""Images that are made for a test."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from dicom_common.codecs import Codecs, Rendering

__all__ = ["as_file", "grey", "image", "levels", "minimal"]


def minimal() -> Dataset:
    """Make an instance without an image."""
    made = Dataset()
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = "2.25.1"
    made.StudyInstanceUID = "2.25.2"
    made.SeriesInstanceUID = "2.25.3"
    return made


def image(array: npt.NDArray[Any], photometric: str = "MONOCHROME2", **attributes: Any) -> Dataset:
    """Make an image of an array of rows, columns and, for colour, samples."""
    made = minimal()
    made.Rows, made.Columns = array.shape[:2]
    made.SamplesPerPixel = 1 if array.ndim == 2 else array.shape[2]
    made.PhotometricInterpretation = photometric
    made.BitsAllocated = made.BitsStored = 8 * array.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(array.dtype.kind == "i")
    if made.SamplesPerPixel > 1:
        made.PlanarConfiguration = 0
    made.PixelData = array.astype(array.dtype.newbyteorder("<")).tobytes()
    made["PixelData"].VR = "OW" if array.itemsize > 1 else "OB"
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def as_file(data_set: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Write an instance, in a transfer syntax that does not compress."""
    out = io.BytesIO()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.save_as(out, enforce_file_format=True)
    return out.getvalue()


def grey(codecs: Codecs, data_set: Dataset, rendering: Rendering | None = None, frame: int = 1) -> npt.NDArray[Any]:
    """Render an image without loss, as an array of levels."""
    return levels(codecs, as_file(data_set), rendering, frame)


def levels(codecs: Codecs, data: bytes, rendering: Rendering | None = None, frame: int = 1) -> npt.NDArray[Any]:
    picture = codecs.render(data, frame, rendering=rendering or Rendering(media_type="image/png"))
    found = np.asarray(Image.open(io.BytesIO(picture.data)))
    assert found.shape[:2] == (picture.height, picture.width)
    return found


BIG, IMPLICIT = ExplicitVRBigEndian, ImplicitVRLittleEndian


def element(tag: int, value: bytes, vr: bytes | None = None) -> bytes:
    """Write an element of implicit VR, or of explicit VR with a short length, little endian."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return head + (struct.pack("<I", len(value)) if vr is None else vr + struct.pack("<H", len(value))) + value
