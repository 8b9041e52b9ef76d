"""Decoding of one frame, in a worker: from a compressed image to native pixels in little endian."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any, Final

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom_common.codecs._image_headers import ImageHeader, require_same_image
from dicom_common.codecs._native_pixels import Pixels, dtype_of
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError

__all__ = ["decoded"]

_RLE: Final = "1.2.840.10008.1.2.5"
_JPEG_BITS: Final = 8
_JPEGS: Final = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")


def decoded(data: memoryview, uid: str, coders: list[str], pixels: PixelDescription) -> tuple[bytes, PixelDescription]:
    """Decode a frame.

    Args:
        data: the joined fragments of the frame.
        uid: the transfer syntax.
        coders: the names of those decoders of `DECODERS` that are installed, the best first.
        pixels: what the attributes say.

    Returns:
        The native pixels, with all samples of a pixel together, and what describes them.

    Raises:
        DicomError: reason `header-differs`, `undecodable-frame`, `no-decoder`.
    """
    if coders == ["native"]:
        return bytes(data[: pixels.native_bytes + 1]), pixels
    if coders == ["deflate"]:
        return _inflated(data, pixels), pixels
    frame = bytes(data)
    if pixels.bits_allocated == 1 and uid == _RLE:
        return _packed(frame, uid, coders, pixels), pixels
    header = require_same_image(frame, uid, pixels)
    array, photometric = _array(frame, uid, _suitable(coders, uid, header), pixels)
    shape = (pixels.rows, pixels.columns, pixels.samples) if pixels.samples > 1 else (pixels.rows, pixels.columns)
    if array.shape != shape:
        raise DicomError(CodecReason.UNDECODABLE, "The decoder gives an image of another size than the attributes say.")
    native = np.ascontiguousarray(array, dtype_of(pixels))
    if pixels.bits_allocated == 1:
        native = np.packbits(native, bitorder="little")  # native ones are packed (PS3.5 8.1.1)
    if photometric in ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"):
        photometric = photometric[:-4]  # a decoder gives every pixel its chrominance
    if photometric in ("YBR_ICT", "YBR_RCT"):
        photometric = "RGB"
    if photometric == "YBR_PARTIAL":
        photometric = "YBR_FULL"  # lossy JPEG has the full range, whatever it is called
    return native.tobytes(), replace(pixels, photometric=photometric, planar=0)


def _packed(frame: bytes, uid: str, coders: list[str], pixels: PixelDescription) -> bytes:
    """Decode RLE of packed pixels, whose bytes are encoded like samples."""
    as_bytes = replace(
        pixels,
        rows=1,
        columns=pixels.native_bytes,
        samples=1,
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        signed=False,
    )
    return _array(frame, uid, coders[0], as_bytes)[0].tobytes()


def _suitable(coders: list[str], uid: str, header: ImageHeader | None) -> str:
    """Choose the best one that can decode so many bits."""
    if uid in _JPEGS:
        deep = header is not None and header.bits > _JPEG_BITS
        coders = [name for name in coders if (name == "imagecodecs-jpeg") == deep]
    if not coders:
        raise DicomError(
            CodecReason.NO_DECODER,
            "The JPEG image has samples of 12 bits: run `pip install dicom-common-codecs[imagecodecs]`.",
        )
    return coders[0]


def _array(frame: bytes, uid: str, coder: str, pixels: PixelDescription) -> tuple[Pixels, str]:
    """Decode as rows, columns and samples.

    No second decoder is tried: what one refuses, another may decode to pixels that were never in the image.
    """
    try:
        if coder.startswith("imagecodecs"):
            return _by_imagecodecs(frame, coder), pixels.photometric
        return _by_pydicom(frame, uid, coder, pixels)
    except MemoryError:
        raise
    except Exception as error:
        raise DicomError(
            CodecReason.UNDECODABLE, "The decoder cannot decode the frame: it is damaged, or of an unusual kind."
        ) from error


def _by_pydicom(frame: bytes, uid: str, coder: str, pixels: PixelDescription) -> tuple[Pixels, str]:
    options: dict[str, Any] = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "number_of_frames": 1,
        "samples_per_pixel": pixels.samples,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "photometric_interpretation": pixels.photometric,
        "pixel_representation": int(pixels.signed),
        "planar_configuration": 0,  # how samples are interleaved is said by the image, not the attribute (PS3.5 8.2)
        "pixel_keyword": "PixelData",
    }
    array, told = get_decoder(UID(uid)).as_array(
        encapsulate([frame], has_bot=False), index=0, raw=True, decoding_plugin=coder, **options
    )
    return array, str(told["photometric_interpretation"])


def _by_imagecodecs(frame: bytes, coder: str) -> Pixels:
    import imagecodecs  # noqa: PLC0415  # an extra

    if coder == "imagecodecs-jpeg":
        array: Any = imagecodecs.jpeg8_decode(frame)
    else:
        array = imagecodecs.jpegxl_decode(frame, numthreads=1)
    return np.asarray(array)


def _inflated(data: memoryview, pixels: PixelDescription) -> bytes:
    """Inflate a frame of Deflated Image Frame Compression (PS3.5 A.4.14), no further than its attributes say."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = stream.decompress(data, pixels.native_bytes + 2)
    except zlib.error as error:
        raise DicomError(CodecReason.UNDECODABLE, "The frame is not a deflate stream.") from error
    if not pixels.native_bytes <= len(found) <= pixels.native_bytes + 1:
        raise DicomError(CodecReason.UNDECODABLE, "The frame inflates to another length than its attributes say.")
    return found
