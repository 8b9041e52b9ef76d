from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls
from dicom_common.storage.azure import AzureStorage, Settings
from dicom_common.testing import StorageContract


@pytest.mark.service("azure")
class TestAzure(StorageContract):
    large_object_bytes = 64 << 20
    crash_rounds = 2
    refused_keys = frozenset({"..a/...b/c.."})  # Azure cuts dots from the end of names; Azurite does not

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], AzureStorage]:
        return partial(AzureStorage, settings_of())

    def test_it_offers_batches_and_signed_urls(self, storage: AzureStorage) -> None:
        assert isinstance(storage, BatchWrites)
        assert isinstance(storage, SignedUrls)
