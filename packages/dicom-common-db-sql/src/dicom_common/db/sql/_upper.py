"""What an instance says of the levels above it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dicom_common.core import Level

__all__ = ["Identity", "Upper"]

Identity = tuple[str, str, str]
"""Which patient: Patient ID, issuer and, without a Patient ID, the Study Instance UID (else "")."""


class Upper(NamedTuple):
    """What an instance says of its patient, study and series, as columns; and the same as the bytes that are kept."""

    columns: Mapping[str, Any]
    blob: bytes
    patient: Identity
    present: Mapping[Level, tuple[str, ...]]
    """The attributes of each level that have a value."""
    own: Mapping[Level, tuple[Any, ...]]
    """The attributes of each level, present or not, in the order of `attribute_names`."""
    dates: tuple[int | None, ...]
    """Series Date and Time, Study Date and Time."""
