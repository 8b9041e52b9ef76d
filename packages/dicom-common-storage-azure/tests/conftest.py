"""A container for each test, on the server that the test's mark names."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from dicom_common.core import Secret
from dicom_common.storage.azure import Settings
from dicom_common.testing import Endpoint


@pytest.fixture
def container(service_endpoint: Endpoint, service_options: dict[str, str]) -> ContainerClient:
    """The SDK's own view, to prepare and to look from outside."""
    account, key = service_options["account"], service_options["key"]
    credential = {"account_name": account, "account_key": key}
    service = BlobServiceClient(f"http://{service_endpoint}/{account}", credential=credential)
    return service.create_container(f"c-{uuid4().hex}")


@pytest.fixture
def settings_of(
    service_endpoint: Endpoint, service_options: dict[str, str], container: ContainerClient
) -> Callable[..., Settings]:
    """Settings for the container of the test; each can be another."""

    def make(**changed: object) -> Settings:
        given: dict[str, object] = {
            "container": container.container_name,
            "account": service_options["account"],
            "endpoint": f"http://{service_endpoint}/{service_options['account']}",
            "account_key": Secret(service_options["key"]),
        }
        return Settings(**{**given, **changed})  # type: ignore[arg-type]  # the tests' own values

    return make
