from __future__ import annotations

import hashlib
import io
import logging
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from azure.storage.blob import BlobBlock, ContainerClient, ContainerSasPermissions, generate_container_sas

from dicom_common.core import AlreadyExistsError, ConfigError, HealthStatus, RefusedError, Secret, UnavailableError
from dicom_common.core.tls import Tls
from dicom_common.storage.azure import AzureStorage, Settings
from dicom_common.storage.object import Kept
from dicom_common.testing import Endpoint, FaultProxy, health_of

pytestmark = pytest.mark.service("azure")
MakeSettings = Callable[..., Settings]
KEPT = Kept(sha256="0" * 64, attempt="1")


@pytest.fixture
def storage(settings_of: MakeSettings) -> Iterator[AzureStorage]:
    with closing(AzureStorage(settings_of())) as storage:
        yield storage


@pytest.fixture
def sas_of(container: ContainerClient, service_options: dict[str, str]) -> Callable[..., Secret]:
    """Signatures for the container of the test."""

    def make(permission: str = "rwdl", seconds: int = 600) -> Secret:
        token = generate_container_sas(
            service_options["account"],
            container.container_name,
            account_key=service_options["key"],
            permission=ContainerSasPermissions.from_string(permission),
            expiry=datetime.now(UTC) + timedelta(seconds=seconds),
        )
        return Secret(token)

    return make


def names(container: ContainerClient) -> list[str]:
    return [blob.name for blob in container.list_blobs()]


# Large objects


class Breaking(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 11 << 20:
            raise OSError("the source broke")
        return super().read(size)


def test_a_large_write_that_fails_leaves_nothing_that_can_be_seen(
    settings_of: MakeSettings, container: ContainerClient
) -> None:
    data = bytes(16 << 20)
    with closing(AzureStorage(settings_of(part_size=5 << 20))) as storage:
        for source, sha256 in ((Breaking(data), hashlib.sha256(data).hexdigest()), (io.BytesIO(data), "0" * 64)):
            with pytest.raises(Exception, match=r"source|SHA-256"):
                storage.write("a", source, sha256=sha256)
    assert names(container) == []


def test_blocks_of_a_writer_that_died_hinder_no_claim(storage: AzureStorage, container: ContainerClient) -> None:
    for key, data in (("small", b"x"), ("large", bytes(9 << 20))):
        container.get_blob_client(key).stage_block(f"{uuid4().hex}{1:06d}", b"half")
        storage.write(key, io.BytesIO(data), if_absent=True)
        assert b"".join(storage.read(key)) == data
        with pytest.raises(AlreadyExistsError):
            storage.write(key, data, if_absent=True)
        assert b"".join(storage.read(key)) == data


def test_a_claim_of_a_small_object_during_a_large_claim_leaves_one_of_both_whole(storage: AzureStorage) -> None:
    client = storage._client
    upload = client.start("a", KEPT, if_absent=True)
    part = client.put_part(upload, 1, 0, b"large", last=True)
    storage.write("a", b"small", if_absent=True)
    with pytest.raises(AlreadyExistsError):
        client.finish(upload, [part], if_absent=True)
    assert b"".join(storage.read("a")) == b"small"


def test_of_two_large_writes_that_claim_a_key_the_later_to_finish_is_refused(storage: AzureStorage) -> None:
    client = storage._client
    digest = hashlib.sha256(b"1").hexdigest()
    uploads = [client.start("a", Kept(sha256=digest, attempt=attempt), if_absent=True) for attempt in "12"]
    parts = [client.put_part(upload, 1, 0, upload.kept.attempt.encode(), last=True) for upload in uploads]
    client.finish(uploads[0], parts[:1], if_absent=True)
    with pytest.raises(AlreadyExistsError):
        client.finish(uploads[1], parts[1:], if_absent=True)
    assert b"".join(storage.read("a")) == b"1"


def test_blocks_of_another_program_are_named(storage: AzureStorage, container: ContainerClient) -> None:
    container.get_blob_client("a").stage_block("of-another-length", b"half")
    with pytest.raises(RefusedError, match="Another program"):
        storage.write("a", io.BytesIO(bytes(9 << 20)))
    storage.write("a", b"small")  # replaces them


# Listing


def test_a_scan_is_in_the_order_of_utf_8_however_the_pages_are_cut(
    storage: AzureStorage, container: ContainerClient
) -> None:
    keys = [
        f"{first}{last}" for first in ("a", "\uff01", "\U0001f600", "患") for last in ("", "b", "\U0001f601", "\uff02")
    ]
    for key in keys:
        storage.write(key, b"")
    for limit in (1, 2, 3, 5):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = storage._client.list("", after="", cursor=cursor, limit=limit)
            seen += [found.key for found in page.found]
            cursor = page.following
            if cursor is None:
                break
        assert seen == sorted(keys, key=str.encode)
    for after in keys:
        assert [found.key for found in storage.scan(after=after)] == [
            key for key in sorted(keys, key=str.encode) if key.encode() > after.encode()
        ]
    assert len(names(container)) == len(keys)


def test_a_key_with_too_many_segments_is_refused_and_the_rule_is_named(storage: AzureStorage) -> None:
    storage.write("/".join(["n"] * 254), b"x")
    with pytest.raises(RefusedError, match="254 segments"):
        storage.write("/".join(["n"] * 255), b"x")
    with pytest.raises(RefusedError, match="dots from the end"):
        storage.write("a./b", b"x")


def test_prefixes_share_a_container_and_do_not_see_each_other(
    settings_of: MakeSettings, container: ContainerClient
) -> None:
    with (
        closing(AzureStorage(settings_of(prefix="one"))) as one,
        closing(AzureStorage(settings_of(prefix="one/two/"))) as two,
    ):
        one.write("a", b"1")
        two.write("a", b"2")
        assert b"".join(one.read("a")) == b"1"
        assert [found.key for found in two.scan()] == ["a"]
        assert health_of(two).status is HealthStatus.OK
    assert names(container) == ["one/a", "one/two/a"]


# Who we are


def test_a_connection_string_says_it_all(
    settings_of: MakeSettings, service_endpoint: Endpoint, service_options: dict[str, str]
) -> None:
    account, key = service_options["account"], service_options["key"]
    text = (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};"
        f"BlobEndpoint=http://{service_endpoint}/{account};"
    )
    given = {"account": "", "endpoint": "", "account_key": None}
    with closing(AzureStorage(settings_of(connection_string=Secret(text), **given))) as storage:
        storage.write("a", b"x")
        assert health_of(storage).status is HealthStatus.OK
        with urllib.request.urlopen(storage.signed_url("a", expires=60), timeout=10) as answer:
            assert answer.read() == b"x"
    with pytest.raises(ConfigError, match="connection_string") as caught:
        AzureStorage(settings_of(connection_string=Secret(f"AccountKey={key}"), **given))
    assert key not in str(caught.value)


def test_a_signature_is_enough_for_all_but_signing(
    settings_of: MakeSettings, sas_of: Callable[..., Secret], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = sas_of()
    with closing(AzureStorage(settings_of(account_key=None, sas_token=token))) as storage:
        storage.write("a", b"x", if_absent=True)
        storage.write("large", io.BytesIO(bytes(9 << 20)))
        assert b"".join(storage.read("a")) == b"x"
        assert [found.key for found in storage.scan()] == ["a", "large"]
        assert health_of(storage).status is HealthStatus.OK
        storage.delete("a")
        with pytest.raises(RefusedError, match="account_key"):
            storage.signed_url("a", expires=60)
    signature = token.reveal().rpartition("sig=")[2]
    assert caplog.records
    assert signature not in caplog.text


@pytest.mark.parametrize(
    ("permission", "seconds", "word"), [("rl", 600, "sas_token"), ("rwdl", -60, "sas_token|expired")]
)
def test_a_signature_that_does_not_suffice_is_named(
    settings_of: MakeSettings, sas_of: Callable[..., Secret], permission: str, seconds: int, word: str
) -> None:
    token = sas_of(permission, seconds)
    with closing(AzureStorage(settings_of(account_key=None, sas_token=token))) as storage:
        with pytest.raises(RefusedError, match=word) as caught:
            storage.write("a", b"x")
        health = health_of(storage)
        assert health.status is HealthStatus.FAILED
        assert token.reveal().rpartition("sig=")[2] not in f"{caught.value} {health}"


def test_without_any_secret_the_extra_is_named(settings_of: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"storage-azure\[identity\]"):
        AzureStorage(settings_of(account_key=None))


def test_a_signed_url_works_until_it_expires(storage: AzureStorage) -> None:
    name = "été/a b%2e#?&.dcm"
    storage.write(name, b"object")
    url = storage.signed_url(name, expires=5)
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == b"object"
    time.sleep(6)  # Azure's times have no fractions
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url, timeout=60)


# Settings and sentences


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"container": "No Container"}, "container"),
        ({"account": ""}, "account"),
        ({"endpoint": "http://store.example/a"}, "https"),
        ({"endpoint": "https://store.example", "tls": Tls(mode="off")}, "tls.mode"),
        ({"account_key": Secret("no base64!")}, "account_key"),
        ({"sas_token": Secret("sig=x")}, "not both"),
        ({"account_key": None, "connection_string": Secret("x")}, "remove"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings_of: MakeSettings, given: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        settings_of(**given)


@pytest.mark.parametrize(
    ("given", "error", "word"),
    [
        ({"container": "not-there"}, RefusedError, "container not-there"),
        ({"account_key": Secret("eHh4eA==")}, RefusedError, "account_key"),
        ({"endpoint": "http://127.0.0.1:1/dicomcommon"}, UnavailableError, "endpoint"),
        ({"endpoint": "https://no-such-host.invalid"}, UnavailableError, "no-such-host.invalid"),
    ],
)
def test_what_is_wrong_is_named(
    settings_of: MakeSettings, given: dict[str, Any], error: type[Exception], word: str
) -> None:
    with closing(AzureStorage(settings_of(**given, attempts=2, deadline=2))) as storage:
        with pytest.raises(error, match=word) as caught:
            storage.write("a", b"x")
        assert "eHh4eA" not in str(caught.value)
        health = health_of(storage)
        assert health.status is HealthStatus.FAILED
        assert word in health.detail


def test_tls_trusts_the_authority_of_the_settings_and_no_other(
    settings_of: MakeSettings,
    service_endpoint: Endpoint,
    service_options: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ours.pem"))  # must not help
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    with FaultProxy(service_endpoint, tls=context) as proxy:

        def open_with(**tls: Any) -> AzureStorage:
            endpoint = f"https://{proxy.endpoint}/{service_options['account']}"
            return AzureStorage(settings_of(endpoint=endpoint, tls=Tls(**tls), deadline=2))

        with closing(open_with(ca=tmp_path / "ours.pem")) as storage:
            storage.write("a", b"x")
        for tls in ({"ca": tmp_path / "other.pem"}, {}):
            with closing(open_with(**tls)) as storage, pytest.raises(RefusedError, match=r"tls\.ca"):
                storage.write("a", b"x")


def test_a_block_is_not_shared_by_two_writers(storage: AzureStorage, container: ContainerClient) -> None:
    client = storage._client
    uploads = [client.start("a", KEPT, if_absent=False) for _ in range(2)]
    parts = [client.put_part(upload, 1, 0, b"%d" % n, last=True) for n, upload in enumerate(uploads)]
    assert parts[0].receipt != parts[1].receipt
    _, uncommitted = container.get_blob_client("a").get_block_list("uncommitted")
    assert {block.id for block in uncommitted} == {BlobBlock(part.receipt).id for part in parts}


STREAM = """
import hashlib, sys
from contextlib import closing
from dicom_common.core import Secret
from dicom_common.storage.azure import AzureStorage, Settings
from dicom_common.testing._processes import memory_peak
from dicom_common.testing._storage._samples import pattern_digest, pattern_file
endpoint, container, account, key, size = sys.argv[1:]
settings = Settings(endpoint=endpoint, container=container, account=account, account_key=Secret(key))
with closing(AzureStorage(settings)) as storage:
    expected = pattern_digest(1, int(size))
    storage.write("large", pattern_file(1, int(size)), sha256=expected, if_absent=True)
    digest = hashlib.sha256()
    for chunk in storage.read("large"):
        digest.update(chunk)
    assert digest.hexdigest() == expected == storage.stat("large").sha256
print(memory_peak() >> 20)
"""


def test_three_times_the_memory_goes_in_and_out(
    service_endpoint: Endpoint, service_options: dict[str, str], container: ContainerClient
) -> None:
    account, key = service_options["account"], service_options["key"]
    endpoint = f"http://{service_endpoint}/{account}"
    command = [sys.executable, "-c", STREAM, endpoint, container.container_name, account, key, str(384 << 20)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    container.delete_blob("large")  # the server holds it in memory
    assert int(done.stdout) < 128, f"{done.stdout} MiB"


def test_it_imports_the_sdk_of_no_other_store() -> None:
    code = "import sys, dicom_common.storage.azure; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not set(done.stdout.split()) & {"google.cloud", "minio", "azure.identity"}
