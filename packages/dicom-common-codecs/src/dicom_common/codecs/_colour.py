"""Colour images as 8-bit RGB: palettes (PS3.3 C.7.9), and the colour spaces of C.7.6.3.1.2."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicom_common.codecs._attributes import Attributes
from dicom_common.codecs._lookup_tables import LookupTable
from dicom_common.codecs._native_pixels import Pixels, bands, codes, stored_values
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError

__all__ = ["rgb"]

_FULL = ("YBR_FULL", "YBR_FULL_422")
_PARTIAL = ("YBR_PARTIAL_422", "YBR_PARTIAL_420")
# The inverse of PS3.3 C.7.6.3.1.2, from luminance and chrominance around 0 to red, green and blue.
_FROM_YBR = np.array([[1, 0, 1.402], [1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587], [1, 1.772, 0]], np.float32)


def rgb(array: Pixels, pixels: PixelDescription, display: Attributes) -> npt.NDArray[np.uint8]:
    """Render samples as red, green and blue.

    Raises:
        DicomError: reason `unsupported`, `undecodable-frame`: a palette cannot be read.
    """
    if pixels.photometric == "PALETTE COLOR" and pixels.samples == 1 and pixels.kind == "integer":
        return _from_palette(array, pixels, display)
    if pixels.samples != 3 or pixels.kind != "integer" or pixels.photometric not in ("RGB", *_FULL, *_PARTIAL):
        raise DicomError(
            CodecReason.UNSUPPORTED,
            f"Photometric Interpretation {pixels.photometric[:16]!r} with {pixels.samples} samples per pixel is not "
            "supported.",
        )
    found = np.empty(array.shape, np.uint8)
    for band in bands(array):
        levels = _eight_bits(codes(array[band], pixels), pixels.bits_stored)
        is_rgb, partial = pixels.photometric == "RGB", pixels.photometric in _PARTIAL
        found[band] = levels if is_rgb else _from_ybr(levels, partial=partial)
    return found


def _eight_bits(values: Pixels, bits: int) -> npt.NDArray[np.uint8]:
    if bits == 8:
        return values.astype(np.uint8, copy=False)
    return np.rint(values.astype(np.float64) * (255 / ((1 << bits) - 1))).astype(np.uint8)


def _from_ybr(levels: npt.NDArray[np.uint8], *, partial: bool) -> npt.NDArray[np.uint8]:
    ybr = levels.astype(np.float32) - np.array([16 if partial else 0, 128, 128], np.float32)
    if partial:
        ybr *= np.array([255 / 219, 255 / 224, 255 / 224], np.float32)
    found: npt.NDArray[np.uint8] = np.clip(np.rint(ybr @ _FROM_YBR.T), 0, 255).astype(np.uint8)
    return found


def _from_palette(array: Pixels, pixels: PixelDescription, display: Attributes) -> npt.NDArray[np.uint8]:
    planes = []
    for colour in "123":
        descriptor, data, segmented = (f"0028{element}{colour}" for element in ("110", "120", "122"))
        read = LookupTable.read if data in display else LookupTable.read_segmented
        table = read(display, descriptor, data if data in display else segmented, signed=pixels.signed, what="palette")
        entries = table.entries
        # Some writers put 8-bit entries under a descriptor that says 16.
        bits = 8 if table.bits == 16 and int(entries.max()) < 256 else table.bits
        planes.append(table._replace(entries=_eight_bits(entries, bits).astype(np.uint16)))
    found = np.empty((*array.shape, 3), np.uint8)
    for band in bands(array):
        values = stored_values(codes(array[band], pixels), pixels)
        for number, table in enumerate(planes):
            found[band][..., number] = table.apply(values)
    return found
