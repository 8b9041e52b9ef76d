"""Digests: kept with the object, compared by the store, and unknown of objects of other programs."""

from __future__ import annotations

import io

import pytest
from minio import Minio
from s3_calls import MIB, SettingsOf, needs_minio

from dicom_common.core import UnavailableError
from dicom_common.storage.object import Kept
from dicom_common.storage.s3 import S3Storage
from dicom_common.storage.s3._client import S3Client


@needs_minio
def test_the_store_refuses_bytes_that_were_damaged_on_their_way(settings_of: SettingsOf, storage: S3Storage) -> None:
    client = S3Client(settings_of())
    with pytest.raises(UnavailableError, match="damaged on its way"):
        client.put("a", b"what arrives", Kept(sha256="0" * 64, attempt="1"), if_absent=False)
    client.close()
    assert list(storage.scan()) == []


@needs_minio
def test_the_digest_is_kept_with_the_object(storage: S3Storage, admin: Minio, bucket: str) -> None:
    for key, data in (("small", b"x"), ("large", bytes(20 * MIB))):
        info = storage.write(key, data)
        assert storage.stat(key).sha256 == info.sha256
        metadata = admin.stat_object(bucket, key).metadata
        assert metadata is not None
        assert metadata["x-amz-meta-sha256"] == info.sha256


@needs_minio
def test_an_object_of_another_program_can_be_read(storage: S3Storage, admin: Minio, bucket: str) -> None:
    admin.put_object(bucket, "theirs", io.BytesIO(b"x"), 1)
    assert storage.stat("theirs").sha256 is None
    assert b"".join(storage.read("theirs")) == b"x"
