"""Permissions: a missing one is said by its name, and those of the README are enough."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
import urllib3
from minio.credentials.providers import AssumeRoleProvider
from s3_calls import MIB, SettingsOf, needs_minio

from dicom_common.core import HealthStatus, NotFoundError, RefusedError, Secret
from dicom_common.storage.s3 import S3Storage
from dicom_common.testing import Endpoint, health_of


def temporary(endpoint: Endpoint, options: dict[str, str], statements: list[dict[str, object]]) -> dict[str, object]:
    """Get keys from the store that may do no more than is said."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    keys = AssumeRoleProvider(
        sts_endpoint=f"http://{endpoint}",
        access_key=options["access_key"],
        secret_key=options["secret_key"],
        policy=policy,
        region="us-east-1",
    ).retrieve()
    assert keys.session_token
    return {
        "access_key": keys.access_key,
        "secret_key": Secret(keys.secret_key),
        "session_token": Secret(keys.session_token),
    }


@needs_minio
def test_a_missing_permission_is_said_by_its_name(
    settings_of: SettingsOf,
    service_endpoint: Endpoint,
    service_options: dict[str, str],
    storage: S3Storage,
    bucket: str,
) -> None:
    storage.write("a", b"x")
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"],
    }
    keys = temporary(service_endpoint, service_options, [statement])
    with closing(S3Storage(settings_of(**keys))) as reader:
        assert b"".join(reader.read("a")) == b"x"
        with pytest.raises(RefusedError, match=f"s3:PutObject in the bucket {bucket}"):
            reader.write("a", b"y")
        with pytest.raises(RefusedError, match="s3:ListBucket"):
            list(reader.scan())
        with pytest.raises(RefusedError, match="s3:DeleteObject"):
            reader.delete("a")
        assert health_of(reader).status is HealthStatus.FAILED


@needs_minio
def test_the_permissions_of_the_readme_are_enough(
    settings_of: SettingsOf, service_endpoint: Endpoint, service_options: dict[str, str], bucket: str
) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    statements = json.loads(readme.split("```json")[1].split("```")[0].replace("BUCKET", bucket))["Statement"]
    keys = temporary(service_endpoint, service_options, statements)
    with closing(S3Storage(settings_of(**keys))) as storage:
        health = health_of(storage)
        assert health.status is HealthStatus.OK, health
        assert health.facts["unfinished_uploads"] == 0
        storage.write("small", b"x", if_absent=True)
        storage.write("large", bytes(9 * MIB), if_absent=True)
        with storage.open_upload() as upload:
            upload.write(bytes(9 * MIB))
            upload.commit("uploaded", if_absent=True)
        assert [found.key for found in storage.scan()] == ["large", "small", "uploaded"]
        assert len(b"".join(storage.read("large"))) == storage.stat("large").size == 9 * MIB
        with pytest.raises(NotFoundError):
            storage.stat("missing")
        with urllib3.PoolManager() as http:  # the token of temporary keys goes with the URL
            assert http.request("GET", storage.signed_url("small", expires=60)).data == b"x"
        storage.delete("large")
