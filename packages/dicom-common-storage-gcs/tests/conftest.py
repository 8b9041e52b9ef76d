"""A bucket for each test, on the server that the test's mark names."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client  # type: ignore[import-untyped]  # it has no types

from dicom_common.storage.gcs import Settings
from dicom_common.testing import Endpoint


@pytest.fixture
def bucket(service_endpoint: Endpoint) -> Bucket:
    """The SDK's own view, to prepare and to look from outside."""
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has few types
    options = {"api_endpoint": f"http://{service_endpoint}"}
    return Client(project="tests", credentials=credentials, client_options=options).create_bucket(f"b-{uuid4().hex}")


@pytest.fixture
def settings_of(service_endpoint: Endpoint, bucket: Bucket) -> Callable[..., Settings]:
    """Settings for the bucket of the test; each can be another."""

    def make(**changed: object) -> Settings:
        given = {"bucket": bucket.name, "endpoint": f"http://{service_endpoint}", "credentials": "none"}
        return Settings(**{**given, **changed})

    return make
