"""What the S3 storage promises beside the contract: its errors, its credentials, large objects, signed URLs."""

from __future__ import annotations

import io
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3
from minio import Minio
from minio.credentials.providers import AssumeRoleProvider
from minio.objectlockconfig import ObjectLockConfig
from minio.versioningconfig import VersioningConfig

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    ConfigError,
    HealthStatus,
    NotFoundError,
    RefusedError,
    Secret,
    UnavailableError,
    Write,
)
from dicom_common.core.tls import Tls
from dicom_common.storage.object import Kept
from dicom_common.storage.s3 import S3Storage, Settings
from dicom_common.storage.s3._client import S3Client
from dicom_common.testing import Endpoint, Fault, FaultProxy, health_of

MIB = 1 << 20
SettingsOf = Callable[..., Settings]
WRONG = "wrong-and-very-secret"
QUICK: dict[str, Any] = {"attempts": 2, "deadline": 5.0, "connect_timeout": 1.0, "read_timeout": 1.0}

needs_minio = pytest.mark.service("s3")
needs_signatures = pytest.mark.service("signed-s3")


@pytest.fixture
def storage(settings_of: SettingsOf) -> Iterator[S3Storage]:
    with closing(S3Storage(settings_of())) as storage:
        yield storage


def calls_of(storage: S3Storage) -> list[Callable[[], object]]:
    """Every way to reach the store, as calls that have to fail."""
    return [
        lambda: storage.write("a", b"x"),
        lambda: storage.write("a", b"x", if_absent=True),
        lambda: storage.write("a", bytes(9 * MIB)),
        lambda: storage.read("a"),
        lambda: storage.stat("a"),
        lambda: list(storage.scan()),
        lambda: storage.delete("a"),
    ]


def fails(settings: Settings, expected: str, kind: type[BackendError] = RefusedError) -> None:
    """Expect one sentence that names the setting, from every call and from `check`, and no secret in it."""
    said = []
    with closing(S3Storage(settings)) as storage:
        for call in calls_of(storage):
            with pytest.raises(kind) as caught:
                call()
            said.append(str(caught.value))
        [answer] = storage.write_many([Write(key="a", source=b"x")])
        said.append(str(answer))
        health = health_of(storage)
        assert health.status is HealthStatus.FAILED
        said.append(health.detail)
    for sentence in said:
        assert expected in sentence
        assert WRONG not in sentence
        assert "\n" not in sentence
        assert sentence.endswith(".")


# What is wrong with the key, the region, the bucket


@needs_minio
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"access_key": "nobody"}, "check the setting access_key"),
        ({"secret_key": Secret(WRONG)}, "check the setting secret_key"),
        ({"session_token": Secret(WRONG)}, "setting session_token"),
        ({"region": "eu-north-7"}, "check the setting region: it says us-east-1"),
        ({"bucket": "there-is-no-such-bucket"}, "check the setting bucket (there-is-no-such-bucket)"),
        ({"tls": Tls(mode="on")}, "check the settings endpoint, tls.mode"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_by_its_setting(
    settings_of: SettingsOf, changed: dict[str, object], expected: str
) -> None:
    fails(settings_of(**changed), expected)


@needs_signatures
def test_another_store_checks_signatures_too(settings_of: SettingsOf) -> None:
    with closing(S3Storage(settings_of())) as storage:
        storage.write("a/é +%", b"x")
        assert b"".join(storage.read("a/é +%")) == b"x"
        assert [found.key for found in storage.scan("a/é +")] == ["a/é +%"]
        with urllib3.PoolManager() as http:
            url = storage.signed_url("a/é +%", expires=60)
            assert http.request("GET", url).data == b"x"
            assert http.request("GET", url[:-4] + "beef").status == 403
    with closing(S3Storage(settings_of(secret_key=Secret(WRONG)))) as storage:
        for call in calls_of(storage):
            with pytest.raises(RefusedError) as caught:
                call()
            assert WRONG not in str(caught.value)


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
        assert [found.key for found in storage.scan()] == ["large", "small"]
        assert len(b"".join(storage.read("large"))) == storage.stat("large").size == 9 * MIB
        with pytest.raises(NotFoundError):
            storage.stat("missing")
        with urllib3.PoolManager() as http:  # the token of temporary keys goes with the URL
            assert http.request("GET", storage.signed_url("small", expires=60)).data == b"x"
        storage.delete("large")


# What is wrong with the way there


def test_an_unknown_host_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG)
    fails(
        Settings(bucket="images", endpoint="store.invalid", **QUICK), "correct the setting endpoint", UnavailableError
    )


def test_a_refused_connection_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = Settings(
        bucket="images", endpoint=f"127.0.0.1:{port}", access_key="k", secret_key=Secret(WRONG), **QUICK
    )
    fails(settings, "check the setting endpoint", UnavailableError)


def test_a_store_that_is_silent_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        limits = {**QUICK, "attempts": 1, "read_timeout": 0.2}
        settings = Settings(
            bucket="images", endpoint=f"127.0.0.1:{port}", access_key="k", secret_key=Secret(WRONG), **limits
        )
        fails(settings, "did not answer within read_timeout", UnavailableError)


@needs_minio
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.CLOCK_SKEWED, "set the clock"),
        (Fault.EXPIRED_CREDENTIAL, "renew the setting session_token"),
        (Fault.DENIED, "does not permit s3:"),
    ],
)
def test_what_a_store_may_say_one_day_is_said_in_words(
    settings_of: SettingsOf, service_endpoint: Endpoint, fault: Fault, expected: str
) -> None:
    with FaultProxy(service_endpoint, style="s3") as proxy:
        proxy.inject(fault, times=None)
        fails(settings_of(endpoint=str(proxy.endpoint)), expected)


@needs_minio
def test_a_clock_that_drifts_is_told_before_it_is_refused(settings_of: SettingsOf, service_endpoint: Endpoint) -> None:
    with FaultProxy(service_endpoint, style="s3") as proxy:
        proxy.inject(Fault.WRONG_DATE, times=None)
        with closing(S3Storage(settings_of(endpoint=str(proxy.endpoint)))) as storage:
            health = health_of(storage)
    assert health.status is HealthStatus.DEGRADED
    assert "clock" in health.detail
    assert abs(float(health.facts["clock_skew_seconds"]) + 3600) < 60


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_proxy(service_endpoint: Endpoint, authority: trustme.CA) -> Iterator[FaultProxy]:
    """TLS in front of the store: nothing else is changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with FaultProxy(service_endpoint, style="s3", tls=context) as proxy:
        yield proxy


@needs_minio
def test_tls_is_verified_and_then_works(
    settings_of: SettingsOf, secure_proxy: FaultProxy, authority: trustme.CA, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    port = secure_proxy.endpoint.port
    trusted = Tls(mode="on", ca=ca)
    with closing(S3Storage(settings_of(endpoint=f"localhost:{port}", tls=trusted))) as storage:
        storage.write("small", b"x", if_absent=True)
        storage.write("large", bytes(20 * MIB), if_absent=True)
        assert len(b"".join(storage.read("large"))) == 20 * MIB
        assert storage.signed_url("small", expires=9).startswith(f"https://localhost:{port}/")
        assert health_of(storage).status is HealthStatus.OK
    fails(settings_of(endpoint=f"localhost:{port}", tls=Tls(mode="on")), "in the setting tls.ca")
    fails(settings_of(endpoint=f"https://127.0.0.1:{port}", tls=trusted), "the host in the setting endpoint")


# Settings and credentials


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"bucket": "Images"}, "setting bucket"),
        ({"bucket": "a/b"}, "setting bucket"),
        ({"access_key": "k"}, "belong together"),
        ({"secret_key": Secret("s")}, "belong together"),
        ({"session_token": Secret("t")}, "needs access_key"),
        ({"region": ""}, "setting region"),
        ({"endpoint": "http://store.example"}, "begins with http://"),
        ({"endpoint": "https://store.example", "tls": Tls(mode="off")}, "tls.mode is 'off'"),
        ({"endpoint": "https://store.example/bucket"}, "a setting of its own"),
        ({"endpoint": "ftp://store.example"}, "setting endpoint"),
        ({"endpoint": "store.example:port"}, "setting endpoint"),
        ({"endpoint": "https://user:word@store.example"}, "setting endpoint"),
        ({"prefix": "../up"}, "setting prefix"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Settings(**{"bucket": "images", **changed})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "https://s3.us-east-1.amazonaws.com"),
        ({"region": "eu-central-1"}, "https://s3.eu-central-1.amazonaws.com"),
        ({"endpoint": "store.example"}, "https://store.example"),
        ({"endpoint": "store.example:9000/", "tls": Tls(mode="off")}, "http://store.example:9000"),
        ({"endpoint": "localhost:9000"}, "http://localhost:9000"),
        ({"endpoint": "http://[::1]:9000"}, "http://[::1]:9000"),
        ({"endpoint": "localhost:9000", "tls": Tls(mode="on")}, "https://localhost:9000"),
    ],
)
def test_what_is_not_this_machine_is_reached_by_tls(changed: dict[str, Any], expected: str) -> None:
    assert Settings(**{"bucket": "images", **changed}).url.geturl() == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "https://images.s3.us-east-1.amazonaws.com/a/%C3%A9%20%2B?"),
        ({"addressing": "path"}, "https://s3.us-east-1.amazonaws.com/images/a/%C3%A9%20%2B?"),
        ({"endpoint": "store.example:9000"}, "https://store.example:9000/images/a/%C3%A9%20%2B?"),
        ({"endpoint": "store.example", "addressing": "virtual"}, "https://images.store.example/a/%C3%A9%20%2B?"),
        ({"prefix": "p/q"}, "https://images.s3.us-east-1.amazonaws.com/p/q/a/%C3%A9%20%2B?"),
    ],
)
def test_the_bucket_is_in_the_host_or_in_the_path(changed: dict[str, Any], expected: str) -> None:
    settings = Settings(**{"bucket": "images", "access_key": "k", "secret_key": Secret("s"), **changed})
    with closing(S3Storage(settings)) as storage:
        assert storage.signed_url("a/é +", expires=60).startswith(expected)


@needs_minio
def test_credentials_come_from_the_environment_or_a_file(
    settings_of: SettingsOf, service_options: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    nothing = {"access_key": None, "secret_key": None}
    key, secret = service_options["access_key"], service_options["secret_key"]
    file = tmp_path / "credentials"
    file.write_text(f"[archive]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    with closing(S3Storage(settings_of(**nothing, credentials_file=file, profile="archive"))) as storage:
        storage.write("a", b"by the file")
    fails(settings_of(**nothing, credentials_file=file, profile="other"), "set access_key and secret_key")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with closing(S3Storage(settings_of(**nothing))) as storage:
        assert b"".join(storage.read("a")) == b"by the file"


# Large objects


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


# Keys, URLs, what the store keeps


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
def test_a_signed_url_works_for_its_time_and_for_its_object(storage: S3Storage) -> None:
    storage.write("a", b"the object")
    storage.write("b", b"another")
    with urllib3.PoolManager() as http:
        url = storage.signed_url("a", expires=2)
        assert http.request("GET", url).data == b"the object"
        assert http.request("GET", url.replace("/a?", "/b?")).status == 403
        assert http.request("PUT", url, body=b"x").status == 403
        time.sleep(3)
        assert http.request("GET", url).status == 403


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
def test_an_object_of_another_program_can_be_read(storage: S3Storage, admin: Minio, bucket: str) -> None:
    admin.put_object(bucket, "theirs", io.BytesIO(b"x"), 1)
    assert storage.stat("theirs").sha256 is None
    assert b"".join(storage.read("theirs")) == b"x"


@needs_minio
def test_check_tells_of_versions(storage: S3Storage, admin: Minio, bucket: str) -> None:
    assert health_of(storage).facts["versioning"] == "off"
    admin.set_bucket_versioning(bucket, VersioningConfig("Enabled"))
    health = health_of(storage)
    assert (health.status, health.facts["versioning"]) == (HealthStatus.OK, "enabled")
    assert health.facts["preconditions"] is True


@needs_signatures
def test_a_store_that_ignores_preconditions_is_degraded_and_replaces_nothing(settings_of: SettingsOf) -> None:
    with closing(S3Storage(settings_of())) as storage:
        storage.write("a", b"first", if_absent=True)
        with pytest.raises(AlreadyExistsError):
            storage.write("a", b"second", if_absent=True)
        assert b"".join(storage.read("a")) == b"first"
        health = health_of(storage)
        assert health.status is HealthStatus.DEGRADED
        assert health.facts["preconditions"] is False


def test_naming_s3_imports_no_other_sdk() -> None:
    script = (
        "import sys\n"
        "from dicom_common.host import Plugins\n"
        "import dicom_common.storage.s3\n"
        "print([name for name in ('google', 'azure', 'boto3', 'requests') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
