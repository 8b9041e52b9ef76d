from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls, Uploads
from dicom_common.storage.gcs import GcsStorage, Settings
from dicom_common.testing import FaultProxy, FaultStyle, RemoteStorageContract

LIMITS = {"read_timeout": 2.0, "deadline": 12.0, "part_size": 5 << 20, "multipart_threshold": 5 << 20}


@pytest.mark.service("gcs")
class TestGcsFaults(RemoteStorageContract):
    abilities = (BatchWrites, SignedUrls, Uploads)
    fault_style: FaultStyle = "gcs"
    multipart_bytes = (10 << 20) + 1

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], GcsStorage]:
        return partial(GcsStorage, settings_of())

    @pytest.fixture
    def proxied(self, settings_of: Callable[..., Settings], fault_proxy: FaultProxy) -> Callable[[], GcsStorage]:
        endpoint = f"http://{fault_proxy.endpoint}"
        return partial(GcsStorage, settings_of(endpoint=endpoint, **LIMITS))
