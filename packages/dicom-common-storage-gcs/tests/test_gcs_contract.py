from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client  # type: ignore[import-untyped]  # it has no types

from dicom_common.core import BatchWrites, SignedUrls
from dicom_common.storage.gcs import GcsStorage, Settings
from dicom_common.testing import Endpoint, StorageContract


def make_bucket(endpoint: Endpoint) -> Settings:
    url, name = f"http://{endpoint}", f"contract-{uuid4().hex}"
    Client(
        project="tests",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]  # google-auth has few types
        client_options={"api_endpoint": url},
    ).create_bucket(name)
    return Settings(bucket=name, endpoint=url, credentials="none", deadline=5)


@pytest.mark.service("gcs")
class TestGcs(StorageContract):
    large_object_bytes = 64 << 20
    crash_rounds = 2

    @pytest.fixture
    def open_storage(self, service_endpoint: Endpoint) -> partial[GcsStorage]:
        return partial(GcsStorage, make_bucket(service_endpoint))

    def test_it_offers_batches_and_signed_urls(self, storage: GcsStorage) -> None:
        assert isinstance(storage, BatchWrites)
        assert isinstance(storage, SignedUrls)
