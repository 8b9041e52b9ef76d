"""Buckets: shared by prefixes, locked, versioned, and of a store that ignores preconditions."""

from __future__ import annotations

from contextlib import closing

import pytest
import urllib3
from minio import Minio
from minio.objectlockconfig import ObjectLockConfig
from minio.versioningconfig import VersioningConfig
from s3_calls import MIB, SettingsOf, needs_minio, needs_signatures

from dicom_common.core import AlreadyExistsError, HealthStatus
from dicom_common.storage.s3 import S3Storage
from dicom_common.testing import health_of


@needs_minio
def test_a_prefix_keeps_several_in_one_bucket(settings_of: SettingsOf, storage: S3Storage) -> None:
    with closing(S3Storage(settings_of(prefix="images/ü ber"))) as inner:
        for key in ("b", "a/é+ %", "患者/検査"):
            inner.write(key, key.encode(), if_absent=True)
        assert [found.key for found in inner.scan()] == ["a/é+ %", "b", "患者/検査"]
        assert health_of(inner).status is HealthStatus.OK
        assert [found.key for found in storage.scan()] == [
            "images/ü ber/a/é+ %",
            "images/ü ber/b",
            "images/ü ber/患者/検査",
        ]
        with urllib3.PoolManager() as http:
            assert http.request("GET", inner.signed_url("a/é+ %", expires=60)).data == "a/é+ %".encode()


@needs_minio
def test_a_bucket_with_a_lock_takes_objects_of_every_size(settings_of: SettingsOf, admin: Minio, bucket: str) -> None:
    locked = f"{bucket[:50]}-locked"
    admin.make_bucket(locked, object_lock=True)
    admin.set_object_lock_config(locked, ObjectLockConfig("GOVERNANCE", 1, "Days"))
    with closing(S3Storage(settings_of(bucket=locked))) as storage:
        for key, size in (("small", 1), ("large", 20 * MIB)):
            assert storage.write(key, bytes(size), if_absent=True).size == size
            with pytest.raises(AlreadyExistsError):
                storage.write(key, b"other", if_absent=True)


@needs_minio
def test_check_tells_of_versions(storage: S3Storage, admin: Minio, bucket: str) -> None:
    assert health_of(storage).facts["versioning"] == "off"
    admin.set_bucket_versioning(bucket, VersioningConfig("Enabled"))
    health = health_of(storage)
    assert (health.status, health.facts["versioning"]) == (HealthStatus.OK, "enabled")
    assert health.facts["preconditions"] is True


@needs_minio
@pytest.mark.parametrize("locked", [False, True])
def test_an_upload_to_a_bucket_with_versions_leaves_one(
    settings_of: SettingsOf, admin: Minio, bucket: str, locked: bool
) -> None:
    if locked:
        bucket = f"{bucket[:50]}-locked"
        admin.make_bucket(bucket, object_lock=True)
    else:
        admin.set_bucket_versioning(bucket, VersioningConfig("Enabled"))
    with closing(S3Storage(settings_of(bucket=bucket))) as storage:
        storage.write("first", b"", if_absent=True)
        before = len(list(admin.list_objects(bucket, recursive=True, include_version=True)))
        with storage.open_upload() as upload:
            upload.write(bytes(20 * MIB))
            upload.commit("a/b", if_absent=True)
        versions = list(admin.list_objects(bucket, recursive=True, include_version=True))
    assert len(versions) == before + 1
    assert [found.size for found in versions if found.object_name == "a/b"] == [20 * MIB]


@needs_signatures
def test_a_store_that_ignores_preconditions_is_degraded_and_replaces_nothing(settings_of: SettingsOf) -> None:
    with closing(S3Storage(settings_of())) as storage:
        storage.write("a", b"first", if_absent=True)
        with pytest.raises(AlreadyExistsError):
            storage.write("a", b"second", if_absent=True)
        assert b"".join(storage.read("a")) == b"first"
        with storage.open_upload() as upload:  # nor does it copy parts
            upload.write(bytes(20 * MIB))
            with pytest.raises(AlreadyExistsError):
                upload.commit("a", if_absent=True)
            upload.commit("b", if_absent=True)
        assert sum(map(len, storage.read("b"))) == 20 * MIB
        assert {found.key for found in storage.scan()} == {"a", "b"}
        health = health_of(storage)
        assert health.status is HealthStatus.DEGRADED
        assert health.facts["preconditions"] is False
