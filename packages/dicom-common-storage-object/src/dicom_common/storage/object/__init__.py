"""What all object stores share: a `Storage` over a small `Client` that a backend writes for its SDK."""

from __future__ import annotations

from dicom_common.storage.object._client import (
    Body,
    BusyError,
    Client,
    DoubtfulError,
    Found,
    Kept,
    Page,
    Part,
    Probed,
    Unfinished,
    Upload,
)
from dicom_common.storage.object._connections import checked_endpoint, connection_error, secure_session
from dicom_common.storage.object._keys import Keys
from dicom_common.storage.object._settings import ObjectSettings
from dicom_common.storage.object._storage import ObjectStorage

__all__ = [
    "Body",
    "BusyError",
    "Client",
    "DoubtfulError",
    "Found",
    "Kept",
    "Keys",
    "ObjectSettings",
    "ObjectStorage",
    "Page",
    "Part",
    "Probed",
    "Unfinished",
    "Upload",
    "checked_endpoint",
    "connection_error",
    "secure_session",
]
