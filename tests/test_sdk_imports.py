"""What is not named in the configuration is not imported: a process that uses S3 knows nothing of the other clouds."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SDKS = {
    "minio": "dicom_common.storage.s3",
    "google.cloud.storage": "dicom_common.storage.gcs",
    "azure.storage.blob": "dicom_common.storage.azure",
    "psycopg": "dicom_common.db.postgres",
    "MySQLdb": "dicom_common.db.mysql",
    "redis": "dicom_common.cache.redis",
    "kafka": "dicom_common.broker.kafka",
    "jose": "dicom_common.auth.jose",
}
"""Each SDK and the plugin that is built on it."""
S3 = """
[storage]
backend = "s3"
bucket = "images"
endpoint = "127.0.0.1:9"
access_key = "key"
secret_key = "made-up"

[storages.other]
backend = "gcs"
bucket = "not-opened"
"""


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent is there
        return False


def _imported(program: str, folder: Path) -> set[str]:
    """Run a program in a new interpreter, and return the SDKs and plugins that it has imported at its end."""
    end = "\nimport sys\nprint('\\n' + '\\n'.join(sys.modules))"
    command = [sys.executable, "-c", program + end]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()) & {*SDKS, *SDKS.values(), "google.cloud", "azure.core"}


def test_a_configuration_with_s3_imports_only_the_sdk_of_s3(tmp_path: Path) -> None:
    if not _installed("dicom_common.storage.s3"):
        pytest.skip("dicom-common-storage-s3 is not installed")
    (tmp_path / "dicom-common.toml").write_text(S3)

    program = (
        "from dicom_common.host import Services\nwith Services.from_file() as s: s.storage, s.db, s.cache, s.broker"
    )

    assert _imported(program, tmp_path) == {"minio", "dicom_common.storage.s3"}


def test_listing_the_plugins_imports_none_of_them(tmp_path: Path) -> None:
    program = "from dicom_common.cli import main\nassert main(['plugins', '--json']) == 0"

    assert not _imported(program, tmp_path)


@pytest.mark.parametrize("sdk", SDKS)
def test_the_names_looked_for_are_those_that_a_plugin_imports(sdk: str, tmp_path: Path) -> None:
    """Without this, a misspelt name above would pass for one that is not imported."""
    if not _installed(SDKS[sdk]) or not _installed(sdk):
        pytest.skip(f"{SDKS[sdk]} is not installed")

    assert sdk in _imported(f"import {sdk}", tmp_path)
