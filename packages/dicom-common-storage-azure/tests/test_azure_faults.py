from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import BatchWrites, SignedUrls, Uploads
from dicom_common.storage.azure import AzureStorage, Settings
from dicom_common.testing import FaultProxy, FaultStyle, RemoteStorageContract

LIMITS = {"read_timeout": 2.0, "deadline": 12.0, "part_size": 5 << 20, "multipart_threshold": 5 << 20}


@pytest.mark.service("azure")
class TestAzureFaults(RemoteStorageContract):
    abilities = (BatchWrites, SignedUrls, Uploads)
    fault_style: FaultStyle = "azure"
    multipart_bytes = (10 << 20) + 1

    @pytest.fixture
    def open_storage(self, settings_of: Callable[..., Settings]) -> Callable[[], AzureStorage]:
        return partial(AzureStorage, settings_of())

    @pytest.fixture
    def proxied(
        self, settings_of: Callable[..., Settings], fault_proxy: FaultProxy, service_options: dict[str, str]
    ) -> Callable[[], AzureStorage]:
        endpoint = f"http://{fault_proxy.endpoint}/{service_options['account']}"
        return partial(AzureStorage, settings_of(endpoint=endpoint, **LIMITS))
