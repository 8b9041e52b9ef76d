"""What describes the pixels of a frame (PS3.3 C.7.6.3): what a decoder has to know, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

from dicom_common.codecs._attributes import Attributes, whole
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError, Instance

__all__ = ["PixelDescription", "described", "within"]

PixelKind = Literal["integer", "float", "double"]

_FLOATS: Final[dict[int, tuple[PixelKind, int]]] = {0x7FE00008: ("float", 32), 0x7FE00009: ("double", 64)}
_COLOUR: Final = ("RGB", "YBR_")
_BITS: Final = (1, 8, 16, 32, 64)
_SUBSAMPLED: Final = ("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDescription:
    """The Image Pixel attributes of a frame."""

    rows: int
    columns: int
    samples: int
    photometric: str
    """Photometric Interpretation (0028,0004)."""
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    """Pixel Representation (0028,0103) is 1."""
    planar: int = 0
    """Planar Configuration (0028,0006)."""
    kind: PixelKind = "integer"
    """Pixel Data, Float Pixel Data or Double Float Pixel Data."""

    @property
    def subsampled(self) -> bool:
        """Whether native pixels share their chrominance (PS3.3 C.7.6.3.1.2)."""
        return self.photometric in _SUBSAMPLED and self.samples == 3

    @property
    def native_bytes(self) -> int:
        """Bytes of a native frame of these pixels, each with all its samples; packed where they have one bit."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8

    def as_json(self) -> dict[str, Any]:
        """Write it for the worker."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(**told)


def described(instance: Instance, attributes: Attributes) -> PixelDescription:
    """Take the description of the pixels from a header.

    Raises:
        DicomError: reason `not-an-image`, `unsupported`.
    """
    if instance.pixel_data is None:
        raise DicomError(
            CodecReason.NOT_AN_IMAGE, "The instance has no pixel data: only images can be decoded and rendered."
        )
    kind: PixelKind = "integer"
    allocated = instance.bits_allocated
    if instance.pixel_data.tag in _FLOATS:
        kind, allocated = _FLOATS[instance.pixel_data.tag]
    photometric = (instance.photometric_interpretation or "").strip()
    samples = instance.samples_per_pixel or (3 if photometric.startswith(_COLOUR) else 1)
    needed = {
        "Rows": instance.rows,
        "Columns": instance.columns,
        "Bits Allocated": allocated,
        "Photometric Interpretation": photometric,
    }
    missing = [name for name, value in needed.items() if not value]
    if missing or not (instance.rows and instance.columns and allocated):
        raise DicomError(
            CodecReason.NOT_AN_IMAGE,
            f"The instance has pixel data without {' and '.join(missing)}: ask the sender to correct it.",
        )
    stored = instance.bits_stored or allocated
    high = stored - 1 if instance.high_bit is None else instance.high_bit
    if kind != "integer":
        stored, high = allocated, allocated - 1
    if allocated not in _BITS or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise DicomError(
            CodecReason.UNSUPPORTED,
            f"Bits Allocated {allocated}, Bits Stored {stored} and High Bit {high} do not go together, or pixels of "
            "this size are not supported: ask the sender to correct them.",
        )
    if samples not in (1, 3):
        raise DicomError(CodecReason.UNSUPPORTED, f"Samples per Pixel is {samples}: only 1 and 3 are supported.")
    return PixelDescription(
        rows=instance.rows,
        columns=instance.columns,
        samples=samples,
        photometric=photometric,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=instance.pixel_representation == 1,
        planar=(whole(attributes, "00280006") or 0) if samples > 1 else 0,
        kind=kind,
    )


def within(description: PixelDescription, *, max_pixels: int, max_bytes: int) -> None:
    """Refuse frames that exceed the limits, before anything is read or allocated for them.

    Raises:
        DicomError: reason `too-large`.
    """
    if description.rows * description.columns > max_pixels:
        raise DicomError(
            CodecReason.TOO_LARGE,
            f"A frame has {description.rows} rows and {description.columns} columns, which is more than "
            f"codecs.max_pixels ({max_pixels}): raise it if such images are expected.",
        )
    if description.native_bytes > max_bytes:
        raise DicomError(
            CodecReason.TOO_LARGE,
            f"A decoded frame has {description.native_bytes} bytes, which is more than codecs.max_frame_bytes "
            f"({max_bytes}): raise it if such images are expected.",
        )
