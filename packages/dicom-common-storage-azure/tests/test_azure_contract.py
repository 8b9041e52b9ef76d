from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls, Uploads
from dicom_common.storage.azure import AzureStorage, Settings
from dicom_common.testing import Endpoint, StorageContract


@pytest.mark.service("azure")
class TestAzure(StorageContract):
    abilities = (BatchWrites, SignedUrls, Uploads)
    large_object_bytes = 64 << 20
    crash_rounds = 2
    refused_keys = frozenset({"..a/...b/c.."})  # Azure cuts dots from the end of names; Azurite does not

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], AzureStorage]:
        return partial(AzureStorage, settings_of())

    @pytest.fixture
    def open_at(
        self, settings_of: Callable[..., Settings], service_options: dict[str, str]
    ) -> Callable[[Endpoint], AzureStorage]:
        def open_there(endpoint: Endpoint) -> AzureStorage:
            url = f"http://{endpoint}/{service_options['account']}"
            return AzureStorage(settings_of(endpoint=url, read_timeout=1.0, deadline=2.0))

        return open_there
