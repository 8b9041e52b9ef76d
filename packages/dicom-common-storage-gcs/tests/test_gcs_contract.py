from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls, Uploads
from dicom_common.storage.gcs import GcsStorage, Settings
from dicom_common.testing import Endpoint, StorageContract


@pytest.mark.service("gcs")
class TestGcs(StorageContract):
    abilities = (BatchWrites, SignedUrls, Uploads)
    large_object_bytes = 64 << 20
    crash_rounds = 2

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], GcsStorage]:
        return partial(GcsStorage, settings_of())

    @pytest.fixture
    def open_at(self, settings_of: Callable[..., Settings]) -> Callable[[Endpoint], GcsStorage]:
        return lambda endpoint: GcsStorage(settings_of(endpoint=f"http://{endpoint}", read_timeout=1.0, deadline=2.0))
