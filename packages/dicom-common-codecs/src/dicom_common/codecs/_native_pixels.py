"""Native pixels (PS3.5 8.1) as arrays: their layout, and the value that each sample stores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError

__all__ = ["Pixels", "bands", "codes", "dtype_of", "samples_of", "stored_values"]

Pixels = npt.NDArray[Any]

_BAND: Final = 1 << 18


def dtype_of(pixels: PixelDescription) -> np.dtype[Any]:
    """Give the little endian type of one sample; packed ones are unpacked to bytes."""
    size = max(1, pixels.bits_allocated // 8)
    kind = "f" if pixels.kind != "integer" else "i" if pixels.signed else "u"
    return np.dtype(f"<{kind}{size}")


def samples_of(data: bytes | memoryview, pixels: PixelDescription) -> Pixels:
    """Arrange a native frame as rows, columns and, if there are several, samples.

    Raises:
        DicomError: reason `undecodable-frame`: it has not the length that its attributes give it.
    """
    shape = (pixels.rows, pixels.columns)
    count = pixels.rows * pixels.columns
    if pixels.subsampled and len(data) == count * 2 and pixels.bits_allocated == 8 and pixels.columns % 2 == 0:
        return _from_422(data, shape)
    if not pixels.native_bytes <= len(data) <= pixels.native_bytes + 1:
        raise DicomError(
            CodecReason.UNDECODABLE,
            f"The frame has {len(data)} bytes, and its attributes describe one of {pixels.native_bytes}: ask the "
            "sender to correct them.",
        )
    if pixels.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * pixels.samples, bitorder="little")
        return bits.reshape(shape if pixels.samples == 1 else (*shape, pixels.samples))
    array = np.frombuffer(data, dtype_of(pixels), count * pixels.samples)
    if pixels.samples == 1:
        return array.reshape(shape)
    if pixels.planar == 1:
        return np.moveaxis(array.reshape(pixels.samples, *shape), 0, 2)
    return array.reshape(*shape, pixels.samples)


def _from_422(data: bytes | memoryview, shape: tuple[int, int]) -> Pixels:
    """Give two pixels the chrominance that they share: Y1 Y2 Cb Cr (PS3.3 C.7.6.3.1.2)."""
    rows, columns = shape
    pairs = np.frombuffer(data, np.uint8).reshape(rows, columns // 2, 4)
    array = np.empty((rows, columns, 3), np.uint8)
    array[:, :, 0] = pairs[:, :, :2].reshape(rows, columns)
    array[:, :, 1] = np.repeat(pairs[:, :, 2], 2, axis=1)
    array[:, :, 2] = np.repeat(pairs[:, :, 3], 2, axis=1)
    return array


def codes(array: Pixels, pixels: PixelDescription) -> Pixels:
    """Cut the stored bits out of samples: without sign, and without what else the cell may hold (PS3.5 8.1.1)."""
    unsigned = array.view(array.dtype.str.replace("i", "u"))
    lowest = pixels.high_bit + 1 - pixels.bits_stored
    if not lowest and pixels.bits_stored == max(8, pixels.bits_allocated):
        return unsigned
    mask = unsigned.dtype.type((1 << pixels.bits_stored) - 1)
    found: Pixels = (unsigned >> unsigned.dtype.type(lowest)) & mask if lowest else unsigned & mask
    return found


def stored_values(found: Pixels, pixels: PixelDescription) -> npt.NDArray[np.int64]:
    """Give the numbers that codes stand for: two's complement where the pixels are signed."""
    values: npt.NDArray[np.int64] = found.astype(np.int64)
    if pixels.signed and pixels.bits_stored < 64:
        values -= (values >> (pixels.bits_stored - 1)) << pixels.bits_stored
    return values


def bands(array: Pixels) -> Iterator[slice]:
    """Cut an image into bands of rows, so that what is computed for each pixel needs little memory at a time."""
    rows = max(1, _BAND // max(1, array[0].size))
    for first in range(0, len(array), rows):
        yield slice(first, first + rows)
