"""A copy from the disk into an object store: right in spite of faults, and never into itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from embedded import COMMAND, lines

from dicom_common.testing import RETRYABLE_FAULTS, Endpoint, FaultProxy

pytest.importorskip("dicom_common.storage.s3")
minio = pytest.importorskip("minio")

pytestmark = pytest.mark.service("s3")
Run = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def proxy(service_endpoint: Endpoint) -> Iterator[FaultProxy]:
    with FaultProxy(service_endpoint, style="s3", seed=7) as made:
        yield made


@pytest.fixture
def run(
    data: Path, proxy: FaultProxy, service_endpoint: Endpoint, service_options: dict[str, str]
) -> Callable[..., tuple[int, list[dict[str, Any]], str]]:
    """Run the command of an installation on disk with a second storage in a bucket, and a third within that."""
    bucket = f"test-{uuid4().hex}"
    minio.Minio(str(service_endpoint), **service_options, secure=False, region="us-east-1").make_bucket(bucket)
    variables = {"DICOM_COMMON_DATA": str(data)}
    for name, more in (("cloud", {"read_timeout": "1"}), ("within", {"prefix": "within"})):
        settings = {"backend": "s3", "bucket": bucket, "endpoint": str(proxy.endpoint), **service_options, **more}
        variables |= {f"DICOM_COMMON_STORAGES__{name}__{key}".upper(): value for key, value in settings.items()}

    def command(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        done = subprocess.run(
            [*COMMAND, *arguments, "--json"],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, lines(done.stdout), done.stderr

    return command


def test_with_faults_everything_is_copied_there_and_back(
    run: Run, proxy: FaultProxy, small_files: Callable[[int], list[Path]], tmp_path: Path, data: Path
) -> None:
    files = small_files(150)
    assert run("ingest", str(tmp_path / "files"))[0] == 0
    before = {path.relative_to(data): path.read_bytes() for path in (data / "objects").rglob("*.dcm")}
    proxy.inject(*RETRYABLE_FAULTS, rate=0.05, times=None)

    code, told, errors = run("copy", "--to", "cloud")
    assert (code, told[-1]["statuses"], errors) == (0, {"copied": len(files)}, "")
    assert run("copy", "--to", "cloud")[1][-1]["statuses"] == {"present": len(files)}
    assert run("copy", "--check-index", "--to", "cloud", "--verify")[0] == 0
    for path in sorted(before)[:20]:
        (data / path).unlink()
    assert run("copy", "--from", "cloud", "--to", "storage")[1][-1]["statuses"] == {"copied": 20, "present": 130}

    assert {path.relative_to(data): path.read_bytes() for path in (data / "objects").rglob("*.dcm")} == before
    assert proxy.injected


def test_a_copy_into_a_prefix_of_the_same_bucket_is_refused(run: Run) -> None:
    for source, target in (("cloud", "within"), ("within", "cloud")):
        code, told, errors = run("copy", "--from", source, "--to", target)
        assert (code, told) == (2, [])
        assert "a place of its own" in errors
