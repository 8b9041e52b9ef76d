"""A bucket for each test, on the server that the test's mark names, and a storage over it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from minio import Minio

from dicom_common.core import Secret
from dicom_common.storage.s3 import S3Storage, Settings
from dicom_common.testing import Endpoint

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out
pytest.register_assert_rewrite("s3_calls")  # what its asserts compared is shown where they fail


@pytest.fixture
def admin(service_endpoint: Endpoint, service_options: dict[str, str]) -> Minio:
    """The SDK's own client, to prepare and to look from outside."""
    return Minio(
        str(service_endpoint),
        access_key=service_options["access_key"],
        secret_key=service_options["secret_key"],
        secure=False,
        region="us-east-1",
    )


@pytest.fixture
def bucket(admin: Minio) -> str:
    name = f"test-{uuid4().hex}"
    admin.make_bucket(name)
    return name


@pytest.fixture
def settings_of(service_endpoint: Endpoint, service_options: dict[str, str], bucket: str) -> Callable[..., Settings]:
    """Settings for the bucket of the test; each can be another."""

    def make(**changed: object) -> Settings:
        given: dict[str, object] = {
            "bucket": bucket,
            "endpoint": str(service_endpoint),
            "access_key": service_options["access_key"],
            "secret_key": Secret(service_options["secret_key"]),
        }
        return Settings(**{**given, **changed})  # type: ignore[arg-type]  # the tests' own values

    return make


@pytest.fixture
def storage(settings_of: Callable[..., Settings]) -> Iterator[S3Storage]:
    with closing(S3Storage(settings_of())) as storage:
        yield storage
