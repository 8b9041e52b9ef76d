"""What either reader finds in an instance, and the record is made from."""

from __future__ import annotations

from typing import Any, NamedTuple

from dicom_common.dicom._elements import Elements
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._json import DataSetContext
from dicom_common.dicom._pixel_place import PixelPlace

__all__ = ["Scanned"]


class Scanned(NamedTuple):
    """A data set that was scanned and written as DICOM JSON."""

    transfer_syntax_uid: str
    data_set_offset: int
    uids: dict[str, Any]
    """The identity, by the fields of the record."""
    elements: Elements
    """Those of the top level, the indexed ones at least."""
    pixels: PixelPlace
    metadata: bytes
    """The DICOM JSON."""
    context: DataSetContext
    """That of the top level."""
    findings: Findings
