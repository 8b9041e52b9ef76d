"""The storage itself: what object stores share, over the client of S3."""

from __future__ import annotations

from dicom_common.storage.object import ObjectStorage
from dicom_common.storage.s3._client import S3Client
from dicom_common.storage.s3._settings import Settings

__all__ = ["S3Storage"]


class S3Storage(ObjectStorage):
    """Objects in a bucket. Opening it makes no request: `check` tells whether it works.

    Args:
        settings: where, and how.

    Raises:
        ConfigError: a file of `tls` cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(S3Client(settings), settings)
