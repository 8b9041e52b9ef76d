"""Frames that other encoders, or ours, made."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from made_images import as_file, image
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame

from dicom_common.codecs import Codecs

__all__ = [
    "HTJ2K",
    "JPEG",
    "JPEG_2000",
    "JPEG_LS",
    "JPEG_XL",
    "LOSSLESS_JPEG",
    "RLE",
    "encapsulated",
    "frame_of",
]

RLE, JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
JPEG, LOSSLESS_JPEG, JPEG_XL = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.110"
HTJ2K = "1.2.840.10008.1.2.4.201"


def encapsulated(frame: bytes, uid: str, array: Any, **attributes: Any) -> bytes:
    made = image(array, **attributes)
    made.PixelData = encapsulate([frame])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    if uid == JPEG_XL:  # which pydicom does not know yet
        other = "1.2.840.10008.1.2.4.201"
        return as_file(made, other).replace(other.encode(), JPEG_XL.encode(), 1)
    return as_file(made, uid)


def frame_of(codecs: Codecs, uid: str) -> tuple[bytes, Any]:
    """A compressed frame of a picture, and the picture."""
    array = (np.add.outer(np.arange(48), np.arange(40)) % 251).astype(np.uint8)
    if uid == JPEG:
        out = io.BytesIO()
        Image.fromarray(array).save(out, "JPEG")
        return out.getvalue(), array
    if uid == JPEG_XL:
        imagecodecs = pytest.importorskip("imagecodecs")
        return bytes(imagecodecs.jpegxl_encode(array, lossless=True)), array
    if uid == HTJ2K:
        imagecodecs = pytest.importorskip("imagecodecs")
        pytest.importorskip("openjpeg")
        if not hasattr(imagecodecs, "htj2k_encode"):
            pytest.skip("this imagecodecs has no encoder for it")
        return bytes(imagecodecs.htj2k_encode(array)), array
    if uid == LOSSLESS_JPEG:
        imagecodecs = pytest.importorskip("imagecodecs")
        pytest.importorskip("gdcm")
        return bytes(imagecodecs.ljpeg_encode(array)), array
    if not codecs.can_encode(uid):
        pytest.skip("the extra for this transfer syntax is not installed")
    out = io.BytesIO()
    codecs.transcode(as_file(image(array)), uid, out)
    data_set = dcmread(io.BytesIO(out.getvalue()))
    return get_frame(data_set.PixelData, 0, number_of_frames=1), array
