"""What either reader finds in an instance, of which the record is made."""

from __future__ import annotations

from typing import Any, NamedTuple

from dicom_common.dicom._findings import Findings
from dicom_common.dicom._pixel_place import PixelPlace

__all__ = ["Scanned"]


class Scanned(NamedTuple):
    """A data set that was scanned and written as DICOM JSON."""

    transfer_syntax_uid: str
    data_set_offset: int
    fields: dict[str, Any]
    """Fields of the record: the identity, and the indexed attributes."""
    character_set: tuple[str, ...]
    """Specific Character Set of the top level."""
    pixels: PixelPlace
    metadata: bytes
    """The DICOM JSON."""
    findings: Findings
