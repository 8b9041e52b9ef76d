"""Lossless encoding of one frame, in a worker."""

from __future__ import annotations

import numpy as np
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID

from dicom_common.codecs._decoding import decoded
from dicom_common.codecs._native_pixels import samples_of
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError

__all__ = ["encoded"]


def encoded(data: memoryview, uid: str, coders: list[str], pixels: PixelDescription, *, verify: bool) -> bytes:
    """Encode a native frame.

    Args:
        data: the pixels.
        uid: the transfer syntax.
        coders: the names of those encoders of `ENCODERS` that are installed, the best first.
        pixels: what describes the pixels.
        verify: whether to decode the result, and to compare.

    Raises:
        DicomError: reason `unsupported`: this kind of pixels has no such encoding, or does not come back unchanged.
    """
    array = np.ascontiguousarray(samples_of(data, pixels))
    try:
        image = get_encoder(UID(uid)).encode(
            array,
            encoding_plugin=coders[0],
            rows=pixels.rows,
            columns=pixels.columns,
            number_of_frames=1,
            samples_per_pixel=pixels.samples,
            bits_allocated=pixels.bits_allocated,
            bits_stored=pixels.bits_stored,
            photometric_interpretation=pixels.photometric,
            pixel_representation=int(pixels.signed),
            planar_configuration=0,
        )
    except MemoryError:
        raise
    except Exception as error:
        raise DicomError(
            CodecReason.UNSUPPORTED, "Pixels of this kind cannot be compressed in this transfer syntax."
        ) from error
    if verify and decoded(memoryview(image), uid, coders, pixels)[0] != array.tobytes():
        raise DicomError(
            CodecReason.UNSUPPORTED,
            "The compressed frame would not come back unchanged, as where cells hold more than their stored bits.",
        )
    return bytes(image)
