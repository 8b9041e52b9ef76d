"""Large objects: the memory they take, and what a failure or a lost answer leaves."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing

import pytest
from minio import Minio
from s3_calls import MIB, SettingsOf, needs_minio

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError
from dicom_common.storage.s3 import S3Storage
from dicom_common.testing import Endpoint, Fault, FaultProxy

_STREAM = """
import hashlib, sys
from contextlib import closing
from dicom_common.core import Secret
from dicom_common.storage.object import Kept
from dicom_common.storage.s3 import S3Storage, Settings
from dicom_common.storage.s3._client import S3Client
from dicom_common.testing._processes import memory_peak
from dicom_common.testing._storage._samples import pattern_digest, pattern_file
size = int(sys.argv[5])
settings = Settings(endpoint=sys.argv[1], bucket=sys.argv[2], access_key=sys.argv[3], secret_key=Secret(sys.argv[4]))
with closing(S3Storage(settings)) as storage:
    expected = pattern_digest(1, size)
    storage.write("large", pattern_file(1, size), sha256=expected, if_absent=True)
    digest = hashlib.sha256()
    for chunk in storage.read("large"):
        digest.update(chunk)
    assert digest.hexdigest() == expected == storage.stat("large").sha256
print(memory_peak() >> 20)
"""


@needs_minio
def test_three_times_the_memory_goes_in_and_out(
    service_endpoint: Endpoint, service_options: dict[str, str], bucket: str
) -> None:
    options = (service_options["access_key"], service_options["secret_key"])
    command = [sys.executable, "-c", _STREAM, str(service_endpoint), bucket, *options, str(384 << 20)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 128, f"{done.stdout} MiB"


@needs_minio
def test_a_large_write_that_fails_leaves_no_parts(storage: S3Storage, admin: Minio, bucket: str) -> None:
    with pytest.raises(BackendError):
        storage.write("large", bytes(20 * MIB), sha256="0" * 64)
    storage.write("there", b"x")
    with pytest.raises(AlreadyExistsError):
        storage.write("there", bytes(20 * MIB), if_absent=True)
    for key in ("large", "there"):
        # The SDK has no public list of uploads; MinIO lists those of one key only.
        answer = admin._list_multipart_uploads(bucket, prefix=key)
        assert answer.uploads == []
    assert [found.key for found in storage.scan()] == ["there"]
    assert b"".join(storage.read("there")) == b"x"


@needs_minio
def test_an_upload_leaves_neither_parts_nor_a_hidden_object(storage: S3Storage, admin: Minio, bucket: str) -> None:
    storage.write("there", b"x")
    forgotten, aborted, damaged, committed, in_the_way = (storage.open_upload() for _ in range(5))
    for upload in (forgotten, aborted, damaged, committed, in_the_way):
        upload.write(bytes(20 * MIB))
    stages = [upload._sink._sending.upload.key for upload in (aborted, damaged, committed)]  # type: ignore[attr-defined]  # to look for what it left
    del upload, forgotten
    aborted.abort()
    with pytest.raises(DamagedError):
        damaged.commit("a", sha256="0" * 64)
    with in_the_way, pytest.raises(AlreadyExistsError):
        in_the_way.commit("there", if_absent=True)
    committed.commit("a", if_absent=True)
    for key in ("a", "there", *stages):
        assert admin._list_multipart_uploads(bucket, prefix=key).uploads == []
    assert {found.object_name for found in admin.list_objects(bucket, recursive=True)} == {"a", "there"}
    assert storage.stat("a").sha256 == hashlib.sha256(bytes(20 * MIB)).hexdigest()
    assert sum(map(len, storage.read("a"))) == 20 * MIB


@needs_minio
def test_a_claim_whose_last_answer_is_lost_is_a_success(
    settings_of: SettingsOf, service_endpoint: Endpoint, storage: S3Storage
) -> None:
    with (
        FaultProxy(service_endpoint, style="s3") as proxy,
        closing(S3Storage(settings_of(endpoint=str(proxy.endpoint)))) as remote,
    ):
        remote.write("first", b"", if_absent=True)
        proxy.inject(Fault.LOST_ANSWER, method="PUT")
        remote.write("small", b"x", if_absent=True)
        proxy.inject(Fault.LOST_ANSWER, method="POST", target=r"large\?uploadId=")
        remote.write("large", bytes(20 * MIB), if_absent=True)
        assert proxy.injected[Fault.LOST_ANSWER] == 2
    assert [(found.key, found.size) for found in storage.scan()] == [("first", 0), ("large", 20 * MIB), ("small", 1)]
