"""A copy of a storage onto itself is refused, also with a backend of others: it says where its data lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dicom_common.cli._errors import CommandError
from dicom_common.cli._overlap import refuse_overlap
from dicom_common.host import Config, Services

TAPE = """
from dataclasses import dataclass
from dicom_common.core import Backend, hookimpl

@dataclass(frozen=True, kw_only=True)
class Settings:
    library: str
    speed: int = 1

@hookimpl
def dicom_common_storage():
    return Backend("{name}", Settings, object{place})
"""


def install(folder: Path, name: str, place: str) -> None:
    (folder / f"acme_{name}.py").write_text(TAPE.format(name=name, place=place))
    info = folder / f"acme_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[dicom_common.storage]\n{name} = acme_{name}\n")


@pytest.fixture
def third_parties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "tape", ', place=lambda settings: f"tape://{settings.library}"')
    install(tmp_path, "silent", "")
    monkeypatch.syspath_prepend(tmp_path)


S3 = {"backend": "s3", "bucket": "images"}
GCS = {"backend": "gcs", "bucket": "images"}
AZURE = {"backend": "azure", "container": "images", "account": "site"}
ENCRYPTED = {"backend": "encrypted", "storage": "inner"}


def services(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> Services:
    inner = {"backend": "filesystem", "root": str(tmp_path / "inner")}
    tables = {"storage": one, "storages.other": other, "storages.inner": inner}
    overrides = {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}
    return Services(Config.load(overrides={"data": str(tmp_path), **overrides}, variables={}))


@pytest.mark.usefixtures("third_parties")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"backend": "tape", "library": "a"}, {"backend": "tape", "library": "a", "speed": 2}),
        ({"backend": "tape", "library": "a"}, {"backend": "tape", "library": "a/b"}),
        ({"backend": "silent", "library": "a"}, {"backend": "silent", "library": "a"}),
        (S3, S3 | {"prefix": "inner"}),
        (S3 | {"endpoint": "store.example:9000", "prefix": "a"}, S3 | {"endpoint": "https://store.example:9000"}),
        (GCS, GCS | {"pool_size": 2}),
        (AZURE | {"prefix": "a/"}, AZURE | {"prefix": "a"}),
        ({"backend": "filesystem", "root": "x"}, {"backend": "filesystem", "root": "x/y"}),
        (ENCRYPTED, ENCRYPTED | {"key_seconds": 1}),
    ],
)
def test_one_place_is_recognised(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> None:
    for first, second in ((one, other), (other, one)):
        with services(tmp_path, first, second) as opened, pytest.raises(CommandError, match="the same, or one lies"):
            refuse_overlap(opened, "storage", "other")


@pytest.mark.usefixtures("third_parties")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"backend": "tape", "library": "a"}, {"backend": "tape", "library": "ab"}),
        ({"backend": "silent", "library": "a"}, {"backend": "silent", "library": "a", "speed": 2}),
        (S3, S3 | {"region": "eu-central-1"}),
        (S3 | {"prefix": "a"}, S3 | {"prefix": "ab"}),
        (S3, GCS),
        ({"backend": "filesystem", "root": "x"}, {"backend": "filesystem", "root": "xy"}),
    ],
)
def test_other_places_are_not(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> None:
    with services(tmp_path, one, other) as opened:
        refuse_overlap(opened, "storage", "other")
