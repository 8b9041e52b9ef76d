"""What Azure tells of an object."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dicom_common.storage.object import Found, Kept

__all__ = ["found_of", "metadata_of", "total_of"]

_SHA256, _ATTEMPT = "sha256", "dicom_common_attempt"
"""The names of our metadata: in Azure they have to be identifiers of C#."""


def metadata_of(kept: Kept) -> dict[str, str]:
    """Return the metadata to write."""
    return {_SHA256: kept.sha256, _ATTEMPT: kept.attempt}


def found_of(key: str, size: int, etag: str, modified: datetime, metadata: dict[str, str] | None) -> Found:
    """Put it together. Listings give ETags without quotes, everything else with them."""
    names = {name.lower(): value for name, value in (metadata or {}).items()}
    return Found(
        key=key,
        size=size,
        modified=modified,
        version=etag.strip('"'),
        sha256=names.get(_SHA256),
        attempt=names.get(_ATTEMPT),
    )


def total_of(properties: Any) -> int:
    """Tell the size of the whole object from the properties of a range of it."""
    _, _, total = str(properties.content_range or "").rpartition("/")
    return int(total) if total.isdecimal() else int(properties.size)
