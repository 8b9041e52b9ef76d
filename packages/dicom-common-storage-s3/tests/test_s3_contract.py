from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls, Uploads
from dicom_common.storage.s3 import S3Storage, Settings
from dicom_common.testing import Endpoint, FaultProxy, RemoteStorageContract, StorageContract


@pytest.mark.service("s3")
class TestS3(StorageContract):
    abilities = (BatchWrites, SignedUrls, Uploads)

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], S3Storage]:
        return partial(S3Storage, settings_of())

    @pytest.fixture
    def open_at(self, settings_of: Callable[..., Settings]) -> Callable[[Endpoint], S3Storage]:
        return lambda endpoint: S3Storage(
            settings_of(endpoint=str(endpoint), connect_timeout=1.0, read_timeout=1.0, deadline=2.0)
        )


@pytest.mark.service("s3")
class TestS3Remote(RemoteStorageContract):
    abilities = (BatchWrites, SignedUrls, Uploads)
    fault_style = "s3"
    multipart_bytes = (10 << 20) + 1  # three of the smallest parts

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], S3Storage]:
        return partial(S3Storage, settings_of())

    @pytest.fixture
    def proxied(self, settings_of: Callable[..., Settings], fault_proxy: FaultProxy) -> Callable[[], S3Storage]:
        limits = {"connect_timeout": 2.0, "read_timeout": 2.0, "attempts": 8, "deadline": 12.0}
        parts = {"part_size": 5 << 20, "multipart_threshold": 5 << 20}
        return partial(S3Storage, settings_of(endpoint=str(fault_proxy.endpoint), **limits, **parts))
