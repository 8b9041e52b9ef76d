from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.storage.s3 import S3Storage, Settings
from dicom_common.testing import FaultProxy, FaultStyle, RemoteStorageContract


@pytest.mark.service("s3")
class TestS3Faults(RemoteStorageContract):
    fault_style: FaultStyle = "s3"

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], S3Storage]:
        return partial(S3Storage, settings_of())

    @pytest.fixture
    def proxied(self, settings_of: Callable[..., Settings], fault_proxy: FaultProxy) -> Callable[[], S3Storage]:
        return partial(S3Storage, settings_of(endpoint=str(fault_proxy.endpoint), read_timeout=0.5, deadline=3.0))
