"""Ingest into object stores through a network that fails at random: all is stored, once, and as it was.

The faults are those of the contract of remote storages, all of them, in one of twenty requests.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from embedded import COMMAND, lines

from dicom_common.core import Level, Query
from dicom_common.host import Services
from dicom_common.testing import RETRYABLE_FAULTS, Endpoint, FaultProxy, FaultStyle

FILES = int(os.environ.get("DICOM_COMMON_TEST_FAULT_FILES", "300"))
RATE = 0.05
LIMITS = "read_timeout = 1.0\ndeadline = 20.0\n"


@pytest.fixture
def proxy(service_endpoint: Endpoint, style: FaultStyle) -> Iterator[FaultProxy]:
    with FaultProxy(service_endpoint, style=style, seed=20261122) as proxy:
        yield proxy


@pytest.fixture
def storage_table(
    service_endpoint: Endpoint, service_options: dict[str, str], style: FaultStyle
) -> Callable[[Endpoint], str]:
    """Make a bucket, and the table `[storage]` for it at an endpoint."""
    name = f"faults-{uuid4().hex}"
    if style == "s3":
        from minio import Minio  # noqa: PLC0415  # only where its server is

        key, secret = service_options["access_key"], service_options["secret_key"]
        Minio(str(service_endpoint), access_key=key, secret_key=secret, secure=False).make_bucket(name)
        settings = f'bucket = "{name}"\naccess_key = "{key}"\nsecret_key = "{secret}"\n'
        return lambda where: f'backend = "s3"\nendpoint = "{where}"\n{settings}'
    if style == "gcs":
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415  # the same
        from google.cloud.storage import Client  # type: ignore[import-untyped]  # noqa: PLC0415  # no types; the same

        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has few types
        options = {"api_endpoint": f"http://{service_endpoint}"}
        Client(project="tests", credentials=credentials, client_options=options).create_bucket(name)
        settings = f'bucket = "{name}"\ncredentials = "none"\n'
        return lambda where: f'backend = "gcs"\nendpoint = "http://{where}"\n{settings}'
    from azure.storage.blob import BlobServiceClient  # noqa: PLC0415  # the same

    account, key = service_options["account"], service_options["key"]
    url = f"http://{service_endpoint}/{account}"
    BlobServiceClient(url, credential={"account_name": account, "account_key": key}).create_container(name)
    settings = f'container = "{name}"\naccount = "{account}"\naccount_key = "{key}"\n'
    return lambda where: f'backend = "azure"\nendpoint = "http://{where}/{account}"\n{settings}'


def configuration(folder: Path, name: str, table: str) -> Path:
    """Write a configuration with the objects in the store and all else in a folder."""
    file = folder / f"{name}.toml"
    file.write_text(f'data = "{folder / "data"}"\n[storage]\n{table}{LIMITS}')
    return file


@pytest.mark.parametrize(
    "style",
    [
        pytest.param("s3", marks=pytest.mark.service("s3")),
        pytest.param("gcs", marks=pytest.mark.service("gcs")),
        pytest.param("azure", marks=pytest.mark.service("azure")),
    ],
)
def test_through_random_faults_every_file_is_stored_once_and_as_it_was(
    proxy: FaultProxy,
    service_endpoint: Endpoint,
    storage_table: Callable[[Endpoint], str],
    small_files: Callable[[int], list[Path]],
    tmp_path: Path,
) -> None:
    files = small_files(FILES)
    for number, fault in enumerate(RETRYABLE_FAULTS):  # each kind once at least, whatever chance will bring
        proxy.inject(fault, skip=10 + 7 * number)
    proxy.inject(*RETRYABLE_FAULTS, rate=RATE, times=None)
    through = configuration(tmp_path, "through", storage_table(proxy.endpoint))
    command = [*COMMAND, "--config", str(through), "ingest", "--json", "--jobs", "2", str(tmp_path / "files")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    answers = lines(done.stdout)
    assert Counter(answer["status"] for answer in answers) == {"stored": FILES}
    assert set(proxy.injected) == set(RETRYABLE_FAULTS)
    assert sum(proxy.injected.values()) > FILES * RATE / 2

    with Services.from_file(configuration(tmp_path, "directly", storage_table(service_endpoint))) as services:
        objects = {info.key: b"".join(services.storage.read(info.key)) for info in services.storage.scan()}
        stored = list(services.db.walk())
        assert len(services.db.find(Query(tenant="local", level=Level.INSTANCE))) == FILES
    assert len(stored) == FILES
    assert sorted(objects) == sorted(one.key for one in stored)
    assert sorted(objects.values()) == sorted(file.read_bytes() for file in files)
