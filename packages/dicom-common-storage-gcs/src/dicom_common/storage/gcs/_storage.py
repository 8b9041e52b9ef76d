"""The storage: what all object stores share, over Google's client."""

from __future__ import annotations

from dicom_common.storage.gcs._client import GcsClient
from dicom_common.storage.gcs._settings import Settings
from dicom_common.storage.object import ObjectStorage

__all__ = ["GcsStorage"]


class GcsStorage(ObjectStorage):
    """Objects in a bucket of Google Cloud Storage.

    Raises:
        ConfigError: there are no credentials, or a file that a setting names cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(GcsClient(settings), settings)
