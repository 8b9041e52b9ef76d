from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls
from dicom_common.storage.gcs import GcsStorage, Settings
from dicom_common.testing import StorageContract


@pytest.mark.service("gcs")
class TestGcs(StorageContract):
    large_object_bytes = 64 << 20
    crash_rounds = 2

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], GcsStorage]:
        return partial(GcsStorage, settings_of())

    def test_it_offers_batches_and_signed_urls(self, storage: GcsStorage) -> None:
        assert isinstance(storage, BatchWrites)
        assert isinstance(storage, SignedUrls)
