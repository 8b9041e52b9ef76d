"""Installations in which two tenants live, one for each backend, opened as any other: by their configuration."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import strategies as st

from dicom_common.host import KINDS, Config, Services, installed_plugins
from dicom_common.testing import Endpoint

Options = dict[str, str]
Prepare = Callable[[Endpoint, Options], dict[str, str]]


def _s3(endpoint: Endpoint, options: Options) -> dict[str, str]:
    bucket = f"tenants-{uuid4().hex}"
    minio = pytest.importorskip("minio")
    minio.Minio(str(endpoint), **options, secure=False, region="us-east-1").make_bucket(bucket)
    where = {"storage.bucket": bucket, "storage.endpoint": str(endpoint)}
    return where | {f"storage.{name}": value for name, value in options.items()}


def _gcs(endpoint: Endpoint, _: Options) -> dict[str, str]:
    storage = pytest.importorskip("google.cloud.storage")
    auth = pytest.importorskip("google.auth.credentials")
    url, bucket = f"http://{endpoint}", f"tenants-{uuid4().hex}"
    client = storage.Client(
        project="tests", credentials=auth.AnonymousCredentials(), client_options={"api_endpoint": url}
    )
    client.create_bucket(bucket)
    return {"storage.bucket": bucket, "storage.endpoint": url, "storage.credentials": "none"}


def _azure(endpoint: Endpoint, options: Options) -> dict[str, str]:
    blob = pytest.importorskip("azure.storage.blob")
    account, key = options["account"], options["key"]
    url, container = f"http://{endpoint}/{account}", f"tenants-{uuid4().hex}"
    service = blob.BlobServiceClient(url, credential={"account_name": account, "account_key": key})
    with closing(service):
        service.create_container(container)
    where = {"storage.container": container, "storage.endpoint": url}
    return where | {"storage.account": account, "storage.account_key": key}


def _postgres(endpoint: Endpoint, _: Options) -> dict[str, str]:
    psycopg = pytest.importorskip("psycopg")
    name = f"tenants_{uuid4().hex}"
    where = {"host": endpoint.host, "port": endpoint.port, "user": "postgres"}
    with closing(psycopg.connect(**where, dbname="postgres", autocommit=True)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return {f"db.{key}": str(value) for key, value in {**where, "database": name}.items()}


def _mysql(endpoint: Endpoint, _: Options) -> dict[str, str]:
    driver = pytest.importorskip("MySQLdb")
    name = f"tenants_{uuid4().hex}"
    where = {"host": endpoint.host, "port": endpoint.port, "user": "root"}
    with closing(driver.connect(**where, autocommit=True)) as connection:
        connection.query(f"CREATE DATABASE {name}")
    return {f"db.{key}": str(value) for key, value in {**where, "database": name}.items()}


def _redis(endpoint: Endpoint, _: Options) -> dict[str, str]:
    return {"cache.url": f"redis://{endpoint}/0", "cache.prefix": f"{uuid4().hex}:"}


def _kafka(endpoint: Endpoint, _: Options) -> dict[str, str]:
    return {"broker.servers": f'["{endpoint}"]', "broker.partitions": "3"}


def _nothing(_: Endpoint | None, __: Options) -> dict[str, str]:
    return {}


def _encrypted(_: Endpoint | None, __: Options) -> dict[str, str]:
    key = base64.b64encode(b"made-up key of tests, 32 bytes..").decode()
    return {
        "storage.storage": "plain",
        "storages.plain.backend": "filesystem",
        "keyring.backend": "local",
        "keyring.keys": f'[{{id = "1", key = "{key}", active = true}}]',
    }


SITES: dict[tuple[str, str], tuple[str | None, Callable[..., dict[str, str]]]] = {
    ("storage", "filesystem"): (None, _nothing),
    ("storage", "encrypted"): (None, _encrypted),
    ("storage", "s3"): ("s3", _s3),
    ("storage", "gcs"): ("gcs", _gcs),
    ("storage", "azure"): ("azure", _azure),
    ("db", "sqlite"): (None, _nothing),
    ("db", "postgres"): ("postgres", _postgres),
    ("db", "mysql"): ("mysql", _mysql),
    ("cache", "memory"): (None, _nothing),
    ("cache", "redis"): ("redis", _redis),
    ("broker", "sqlite"): (None, _nothing),
    ("broker", "kafka"): ("kafka", _kafka),
}
"""Each backend: the server that it needs, and what makes a fresh place there and returns the settings for it."""

backends_of = {
    kind: pytest.mark.parametrize(
        "backend",
        [
            pytest.param((kind, name), id=name, marks=[pytest.mark.service(server)] if server else [])
            for (of, name), (server, _) in SITES.items()
            if of == kind
        ],
    )
    for kind in KINDS
}
"""For each kind a mark that gives a test every backend."""


def site_of(backend: tuple[str, str], request: pytest.FixtureRequest, data: Path) -> dict[str, str]:
    """Return the configuration of a fresh installation on a backend; the embedded ones serve for the other kinds."""
    kind, name = backend
    if (kind, name) not in {(plugin.kind, plugin.name) for plugin in installed_plugins()}:
        pytest.skip(f"dicom-common-{kind}-{name} is not installed")
    server, prepare = SITES[backend]
    endpoint = request.getfixturevalue("service_endpoint") if server else None
    options = request.getfixturevalue("service_options") if server else {}
    return {"data": str(data), f"{kind}.backend": name, **prepare(endpoint, options)}


def opened(site: dict[str, str]) -> Iterator[Services]:
    """Open the services of a site until the test ends."""
    with Services(Config.load(overrides=site, variables={})) as services:
        yield services


def _related(name: str) -> st.SearchStrategy[str]:
    """Draw another tenant whose name is close to this one: what a prefix, a wildcard or a collation would confuse."""
    near = [f"{name}-", f"{name}a", f"{name}0", f"{name}-{name}", name[:-1], name[::-1], f"{name}-metadata"]
    possible = [other for other in near if other != name and 0 < len(other) <= 50 and not other.startswith("-")]
    return st.sampled_from(possible or ["z"]).filter(lambda other: other != name) | _NAMES.filter(lambda o: o != name)


_NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True) | st.sampled_from(
    ["metadata", "undated", "local", "storage", "keys", "dicom-common", "1", "20260101", "b" * 40]
)
TWO_TENANTS = _NAMES.flatmap(lambda name: st.tuples(st.just(name), _related(name)))
"""Two different tenants, often with names that are close to each other. At most 50 characters."""
