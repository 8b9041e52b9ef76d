"""What all object stores share: a `Storage` over a small `Client` that a backend writes for its SDK."""

from __future__ import annotations

from dicom_common.storage.object._answers import EmptyBody, clock_compared, with_retry_after
from dicom_common.storage.object._client import (
    Body,
    Client,
    CopyingClient,
    Kept,
    Page,
    Part,
    Probed,
    RemoteObject,
    Unfinished,
    Upload,
)
from dicom_common.storage.object._connections import checked_endpoint, connection_error, place_of, secure_session
from dicom_common.storage.object._keys import Keys
from dicom_common.storage.object._settings import ObjectSettings
from dicom_common.storage.object._storage import ObjectStorage
from dicom_common.toolkit import BusyError, DoubtfulError

__all__ = [
    "Body",
    "BusyError",
    "Client",
    "CopyingClient",
    "DoubtfulError",
    "EmptyBody",
    "Kept",
    "Keys",
    "ObjectSettings",
    "ObjectStorage",
    "Page",
    "Part",
    "Probed",
    "RemoteObject",
    "Unfinished",
    "Upload",
    "checked_endpoint",
    "clock_compared",
    "connection_error",
    "place_of",
    "secure_session",
    "with_retry_after",
]
