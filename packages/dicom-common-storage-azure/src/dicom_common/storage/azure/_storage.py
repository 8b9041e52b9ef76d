"""The storage: what all object stores share, over Microsoft's client."""

from __future__ import annotations

from dicom_common.storage.azure._client import AzureClient
from dicom_common.storage.azure._settings import Settings
from dicom_common.storage.object import ObjectStorage

__all__ = ["AzureStorage"]


class AzureStorage(ObjectStorage):
    """Objects in a container of Azure Blob Storage.

    Raises:
        ConfigError: there are no credentials, or a file that a setting names cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(AzureClient(settings), settings)
