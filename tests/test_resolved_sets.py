"""What each package brings along: its own SDK, and no other's."""

from __future__ import annotations

import functools
import re
import tomllib
from typing import Any

import pytest
from _workspace import META, ROOT, Package, packages
from packaging.markers import Marker
from packaging.requirements import Requirement

SDKS = {
    "azure-core": {"storage-azure"},
    "azure-storage-blob": {"storage-azure"},
    "click": {"cli"},
    "google-cloud-storage": {"storage-gcs"},
    "imagecodecs": {"codecs"},
    "kafka-python": {"broker-kafka"},
    "minio": {"storage-s3"},
    "mysqlclient": {"db-mysql"},
    "numpy": {"codecs"},
    "psycopg": {"db-postgres"},
    "pydicom": {"dicom"},
    "pynetdicom": {"dimse"},
    "python-jose": {"auth-jose"},
    "redis": {"cache-redis"},
    "requests": {"storage-gcs", "storage-azure"},
    "sqlalchemy": {"db-sql"},
    "starlette": {"web"},
    "uvicorn": {"web"},
}
"""Whose packages a distribution may bring: these packages of ours, and what is built on them."""
BACKENDS = re.compile(r"dicom-common-(storage|db|cache|broker|auth|keyring)-")
LOCK = ROOT / "uv.lock"


@functools.cache
def locked() -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]}


@functools.cache
def resolved(name: str, extras: frozenset[str] = frozenset()) -> frozenset[str]:
    """Everything that is installed with a package on this machine, from what uv has resolved for all of them."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, extras)]
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        entry = locked()[one[0]]
        needed = [*entry.get("dependencies", ())]
        for extra in one[1]:
            needed += entry.get("optional-dependencies", {}).get(extra, [])
        waiting += [
            (need["name"], frozenset(need.get("extra", ())))
            for need in needed
            if "marker" not in need or Marker(need["marker"]).evaluate()
        ]
    return frozenset(package for package, _ in found) - {name}


@functools.cache
def ours_of(package: Package) -> frozenset[str]:
    """The packages of ours that a package is built on, by what its pyproject.toml says, and itself."""
    by_name = {each.name: each for each in packages()}
    below = [by_name[name] for text in package.requirements if (name := Requirement(text).name) in by_name]
    return frozenset({package.short_name}).union(*map(ours_of, below))


@pytest.fixture(autouse=True, scope="module")
def lock_file() -> None:
    if not LOCK.is_file():
        pytest.skip("there is no uv.lock: run `python3 tools/dev.py test`, which makes it")


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
def test_a_package_brings_its_own_sdk_and_no_other(package: Package) -> None:
    foreign = {sdk for sdk in resolved(package.name) & SDKS.keys() if not SDKS[sdk] & ours_of(package)}
    assert foreign == set(), f"{package.name} brings what it is not built on"


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.name)
def test_a_backend_brings_no_other_backend(package: Package) -> None:
    if package.name == META or not BACKENDS.match(package.name):
        pytest.skip("it is no backend")
    backends = {name for name in resolved(package.name) if BACKENDS.match(name)}
    shared = {"dicom-common-db-sql", "dicom-common-storage-object", "dicom-common-broker-leases"}
    assert backends <= shared


def test_the_core_and_s3_bring_no_index_no_broker_and_no_other_sdk() -> None:
    both = resolved("dicom-common-core") | resolved("dicom-common-storage-s3")
    assert both & SDKS.keys() == {"minio"}
    assert {name for name in both if name.startswith("dicom-common")} == {
        "dicom-common-core",
        "dicom-common-storage-object",
        "dicom-common-toolkit",
    }


def test_the_core_brings_pluggy_alone() -> None:
    assert resolved("dicom-common-core") == {"pluggy"}
