"""Grey images, from stored values to grey levels (PS3.4 N.2): modality, VOI and presentation transformation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dicom_common.codecs._attributes import Attributes, items, number, text
from dicom_common.codecs._lookup_tables import LookupTable
from dicom_common.codecs._native_pixels import Pixels, bands, codes, stored_values
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._rendering import Window, WindowShape
from dicom_common.core import DicomError

__all__ = ["grey_levels", "presented_levels", "windowed"]

Values = npt.NDArray[np.float64]
_SHAPES: Final[dict[str, WindowShape]] = {"LINEAR_EXACT": "linear-exact", "SIGMOID": "sigmoid"}
_TABLE_BITS: Final = 16
"""Up to so many stored bits the transformations are computed once for each value, not for each pixel."""


def grey_levels(
    array: Pixels, pixels: PixelDescription, display: Attributes, window: Window | None
) -> npt.NDArray[np.uint8]:
    """Render samples of MONOCHROME1 or MONOCHROME2 as grey levels, 0 is black.

    Raises:
        DicomError: reason `undecodable-frame`: a lookup table or a rescale value cannot be read.
    """
    inverse = pixels.photometric == "MONOCHROME1" or text(display, "20500020") == "INVERSE"

    def transformed(stored: npt.NDArray[Any], present: npt.NDArray[np.bool_]) -> Values:
        return _transformed(stored, present, pixels, display, window)

    return _levels(array, pixels, transformed, inverse=inverse)


def presented_levels(array: Pixels, pixels: PixelDescription, display: Attributes) -> npt.NDArray[np.uint8]:
    """Render samples with the transformations of a presentation state: what it does not have is an identity.

    The Photometric Interpretation does not count (PS3.4 N.2).

    Raises:
        DicomError: reason `undecodable-frame`: a lookup table or a rescale value cannot be read; `unsupported`: the
            image has floating point pixels, whose range nothing tells.
    """

    def transformed(stored: npt.NDArray[Any], _: npt.NDArray[np.bool_]) -> Values:
        values = _modality(stored, pixels, display)
        shares = _by_voi(values, display)
        if shares is None:
            lowest, highest = _range(pixels, display)
            shares = np.clip((values - lowest) / (highest - lowest), 0, 1)
        for item in items(display, "20500010")[:1]:
            table = LookupTable.read(item, "00283002", "00283006", signed=False, what="presentation LUT")
            at = np.rint(np.nan_to_num(shares) * (len(table.entries) - 1)).astype(np.int64)
            shares = table.entries[at] / float((1 << table.bits) - 1)
        return shares

    return _levels(array, pixels, transformed, inverse=text(display, "20500020") == "INVERSE")


def _range(pixels: PixelDescription, display: Attributes) -> tuple[float, float]:
    """Give the ends of what the modality transformation can put out."""
    if pixels.kind != "integer":
        raise DicomError(CodecReason.UNSUPPORTED, "The range of floating point pixels is not known without a window.")
    for item in items(display, "00283000")[:1]:
        table = LookupTable.read(item, "00283002", "00283006", signed=pixels.signed, what="modality LUT")
        return 0, (1 << table.bits) - 1
    half = 1 << pixels.bits_stored - 1
    codes_at_ends = np.array([0, half - 1, half, 2 * half - 1], np.uint64)
    values = _modality(stored_values(codes_at_ends, pixels), pixels, display)
    lowest, highest = float(values.min()), float(values.max())
    return lowest, highest if highest > lowest else lowest + 1


def _levels(
    array: Pixels,
    pixels: PixelDescription,
    transformed: Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], Values],
    *,
    inverse: bool,
) -> npt.NDArray[np.uint8]:
    """Give grey levels; `transformed` takes stored values, and which of them the frame has, to shares of brightness."""
    if pixels.kind == "integer" and pixels.bits_stored <= _TABLE_BITS:
        every = stored_values(np.arange(1 << pixels.bits_stored), pixels)
        present = np.full(len(every), pixels.bits_stored == 1)  # a mask of nothing but ones looks like itself
        for band in bands(array):
            present[codes(array[band], pixels)] = True
        table = _as_levels(transformed(every, present), inverse=inverse)
        levels = np.empty(array.shape, np.uint8)
        for band in bands(array):
            levels[band] = table[codes(array[band], pixels)]
        return levels
    values = stored_values(codes(array, pixels), pixels) if pixels.kind == "integer" else array.astype(np.float64)
    return _as_levels(transformed(values, np.isfinite(values)), inverse=inverse)


def windowed(values: Values, window: Window) -> Values:
    """Apply a window; the result is from 0 to 1 (PS3.3 C.11.2.1.2.1, C.11.2.1.3.1, C.11.2.1.3.2)."""
    center, width = window.center, window.width
    if window.shape == "sigmoid":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-4 * (values - center) / width))
    if window.shape == "linear-exact":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _as_levels(shares: Values, *, inverse: bool) -> npt.NDArray[np.uint8]:
    shares = np.nan_to_num(shares, nan=0.0)
    return ((1 - shares if inverse else shares) * 255 + 0.5).astype(np.uint8)


def _transformed(
    stored: npt.NDArray[Any],
    present: npt.NDArray[np.bool_],
    pixels: PixelDescription,
    display: Attributes,
    window: Window | None,
) -> Values:
    """Take stored values to shares of the brightness; `present` says which of them count for their range."""
    values = _modality(stored, pixels, display)
    if window is not None:
        return windowed(values, window)
    shares = _by_voi(values, display)
    if shares is not None:
        return shares
    counted = values[present & ~_padding(stored, display, pixels)]
    if not counted.size:
        counted = values[present]
    if not counted.size:
        return np.zeros_like(values)
    lowest, highest = float(counted.min()), float(counted.max())
    return np.clip((values - lowest) / (highest - lowest), 0, 1) if highest > lowest else np.zeros_like(values)


def _by_voi(values: Values, display: Attributes) -> Values | None:
    """Apply the VOI LUT or the first window; None: there is neither."""
    for item in items(display, "00283010")[:1]:
        table = LookupTable.read(item, "00283002", "00283006", signed=bool(np.any(values < 0)), what="VOI LUT")
        return table.apply(np.rint(values)) / float((1 << table.bits) - 1)
    window = _window(display)
    return None if window is None else windowed(values, window)


def _modality(stored: npt.NDArray[Any], pixels: PixelDescription, display: Attributes) -> Values:
    for item in items(display, "00283000")[:1]:
        table = LookupTable.read(item, "00283002", "00283006", signed=pixels.signed, what="modality LUT")
        return table.apply(stored).astype(np.float64)
    factors = []
    for tag, name, neutral in (("00281053", "Rescale Slope", 1.0), ("00281052", "Rescale Intercept", 0.0)):
        found = number(display, tag)
        if found is None and _has_value(display, tag):
            raise DicomError(CodecReason.UNDECODABLE, f"{name} is not a number: ask the sender to correct it.")
        factors.append(neutral if found is None else found)
    values: Values = stored * factors[0] + factors[1]
    return values


def _has_value(display: Attributes, tag: str) -> bool:
    element = display.get(tag)
    return element is not None and len(element) > 1  # beside its VR


def _window(display: Attributes) -> Window | None:
    """Give the first window of the instance, if it is one."""
    center, width = number(display, "00281050"), number(display, "00281051")
    if center is None or width is None or width <= 0:
        return None
    shape = _SHAPES.get(text(display, "00281056") or "", "linear")
    if shape == "linear" and width < 1:
        shape = "linear-exact"  # the linear formula has no such width; whoever writes it means a fraction
    return Window(center=center, width=width, shape=shape)


def _padding(stored: npt.NDArray[Any], display: Attributes, pixels: PixelDescription) -> npt.NDArray[np.bool_]:
    """Tell which values are padding: one, or those up to a limit (PS3.3 C.7.5.1.1.2)."""
    value, limit = (number(display, "00280122"), number(display, "00280123"))
    as_stored: Callable[[float], float] = float
    if pixels.kind == "integer":
        value, limit = number(display, "00280120"), number(display, "00280121")

        def as_stored(found: float) -> float:
            code = np.array([int(found) & (1 << pixels.bits_stored) - 1], np.uint64)
            return float(stored_values(code, pixels)[0])

    if value is None:
        return np.zeros(stored.shape, bool)
    ends = sorted((as_stored(value), as_stored(value if limit is None else limit)))
    return (stored >= ends[0]) & (stored <= ends[1])
