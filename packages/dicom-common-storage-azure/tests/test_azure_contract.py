from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

from dicom_common.core import BatchWrites, Secret, SignedUrls
from dicom_common.storage.azure import AzureStorage, Settings
from dicom_common.testing import Endpoint, StorageContract

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # of every Azurite


def make_container(endpoint: Endpoint) -> Settings:
    url, name = f"http://{endpoint}/{ACCOUNT}", f"contract-{uuid4().hex}"
    BlobServiceClient(url, credential={"account_name": ACCOUNT, "account_key": KEY}).create_container(name)
    return Settings(container=name, account=ACCOUNT, endpoint=url, account_key=Secret(KEY), deadline=5)


@pytest.mark.service("azure")
class TestAzure(StorageContract):
    large_object_bytes = 64 << 20
    crash_rounds = 2
    refused_keys = frozenset({"..a/...b/c.."})  # Azure cuts dots from the end of names; Azurite does not

    @pytest.fixture
    def open_storage(self, service_endpoint: Endpoint) -> partial[AzureStorage]:
        return partial(AzureStorage, make_container(service_endpoint))

    def test_it_offers_batches_and_signed_urls(self, storage: AzureStorage) -> None:
        assert isinstance(storage, BatchWrites)
        assert isinstance(storage, SignedUrls)
