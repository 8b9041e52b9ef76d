"""Native pixel data (PS3.5 8.1): how many bits a frame has, and how many frames there are, by arithmetic alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dicom_common.core import DicomError, Finding, Instance, PixelData
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule

__all__ = ["Geometry", "NativeFrames", "geometry_of", "native_frames"]

# Float and Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25) have one word length; Pixel Data has Bits Allocated.
_FLOAT_BITS: Final = {0x7FE00008: 32, 0x7FE00009: 64}
# Pixels share their chrominance (PS3.3 C.7.6.3.1.2): of the six samples of two pixels, so many are there.
_SUBSAMPLED: Final = {"_422": 4, "_420": 3}
_COLOUR: Final = ("RGB", "YBR_")
_NUMBER_OF_FRAMES: Final = "00280008"


class Geometry(NamedTuple):
    """What the attributes of an instance say about its pixel data."""

    layouts: tuple[int, ...]
    """Bits of a frame, as Photometric Interpretation says; then, if it says subsampled, as they are without that.
    Empty where Rows, Columns or Bits Allocated is missing."""
    frames: int | None
    """Number of Frames, 1 where it is absent, None where it cannot be read."""
    stated: bool
    """Whether Number of Frames is there, readable or not."""
    otherwise: tuple[int, ...] = ()
    """Bits of a frame that is written otherwise than the attributes say: pixels that are not packed, three samples in
    place of one, frames padded each for itself."""

    def fits(self, length: int) -> bool:
        """Tell whether `length` bytes are these frames, but for the padding."""
        if self.frames is None:
            return any(_whole_frames(bits, length) for bits in self.layouts)
        return any(_is_filled(bits * self.frames, length) for bits in self.layouts)


class NativeFrames(NamedTuple):
    """The frames of native pixel data, one behind the other."""

    bits: int
    """Bits of one frame."""
    frames: int
    finding: Finding | None = None


def geometry_of(instance: Instance | Mapping[str, Any], pixel: PixelData, warnings: tuple[Finding, ...]) -> Geometry:
    """Take the attributes from a record, or from the fields of one.

    A Number of Frames that is there and cannot be read has no value in the record, but a finding. Where findings were
    too many to be kept, it may be one of those.
    """
    get = instance.get if type(instance) is dict else lambda field: getattr(instance, field)
    photometric = get("photometric_interpretation") or ""
    samples = get("samples_per_pixel") or (3 if photometric.startswith(_COLOUR) else 1)
    bits = (get("rows") or 0) * (get("columns") or 0) * samples
    bits *= _FLOAT_BITS.get(pixel.tag, get("bits_allocated") or 0)
    layouts: tuple[int, ...] = (bits,) if bits > 0 else ()
    subsampled = _SUBSAMPLED.get(photometric[-4:])
    if layouts and samples == 3 and subsampled is not None:
        layouts = (bits * subsampled // 6, bits)
    otherwise = _otherwise(bits, get("bits_allocated") or 0, samples, photometric) if layouts else ()
    frames = get("number_of_frames")
    if frames is None and not any(
        finding.tag == _NUMBER_OF_FRAMES or finding.rule == Rule.MORE_FINDINGS for finding in warnings
    ):
        return Geometry(layouts, 1, stated=False, otherwise=otherwise)
    return Geometry(layouts, frames if frames is not None and frames > 0 else None, stated=True, otherwise=otherwise)


def _otherwise(bits: int, allocated: int, samples: int, photometric: str) -> tuple[int, ...]:
    found = []
    if allocated % 8:
        found += [bits // allocated * word for word in (8, 16, 32) if word > allocated]
    elif bits % 16:
        found.append(bits + 8)
    if samples == 1 and photometric.startswith(_COLOUR):
        found += [3 * each for each in (bits, *found)]
    return tuple(found)


def native_frames(geometry: Geometry, length: int) -> NativeFrames:
    """Find the frames in `length` bytes of native pixel data.

    Where the length is not that of the frames, and is that of another number of whole ones, it is the length that
    counts; unless it is that of these frames, written otherwise, of which no part would be a frame. Longer pixel data
    is otherwise taken up to the frames that it should have.

    Raises:
        DicomError: reason `no-frames`: attributes are missing, the number of frames cannot be found, or the pixels are
            written otherwise than the attributes say; `truncated`.
    """
    layouts, frames = geometry.layouts, geometry.frames
    if not layouts:
        raise DicomError(
            Reason.NO_FRAMES, "Rows, Columns or Bits Allocated is missing: without them there are no frames to find."
        )
    if frames is not None:
        for bits in layouts:
            if _is_filled(bits * frames, length):
                finding = Finding("00280004", Rule.PIXEL_DATA_LONGER.value, "taken as not subsampled")
                return NativeFrames(bits, frames, None if bits == layouts[0] else finding)
    if any(_is_filled(bits * (frames or 1), length) for bits in geometry.otherwise):
        raise DicomError(
            Reason.NO_FRAMES,
            "The pixel data is as long as its frames would be with another Bits Allocated, other Samples per Pixel, or "
            "a byte of padding each: ask the sender to correct the attributes.",
        )
    for bits in layouts:
        derived = _whole_frames(bits, length)
        if derived is not None:
            finding = Finding(_NUMBER_OF_FRAMES, Rule.FRAME_COUNT.value, "counted the frames by the length")
            return NativeFrames(bits, derived, finding)
    bits = layouts[0]
    if 8 * length < bits * (frames or 1):
        raise DicomError(
            Reason.TRUNCATED, f"The pixel data is too short for {frames or 1} frames: send the object again."
        )
    if frames is None:
        raise DicomError(
            Reason.NO_FRAMES,
            "Number of Frames cannot be read, and the length of the pixel data is not that of whole frames: "
            "ask the sender to correct it.",
        )
    return NativeFrames(bits, frames, Finding("7FE00010", Rule.PIXEL_DATA_LONGER.value, "took the frames at its start"))


def _room(length: int) -> int:
    """Give how many bits of padding may be there: those that fill the last byte, and a byte for an even length."""
    return 8 if length % 2 else 16


def _is_filled(bits: int, length: int) -> bool:
    return 0 <= 8 * length - bits < _room(length)


def _whole_frames(bits: int, length: int) -> int | None:
    """Count the frames in `length` bytes; None where they are not whole, or padding might be one."""
    count, rest = divmod(8 * length, bits)
    return count if count and rest < _room(length) <= rest + bits else None
