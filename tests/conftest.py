"""What the tests that cross packages share: made-up files, the command, and a look at everything that is stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import Level, Query, Services

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from corpus import instances, small_template, write_files

COMMAND = [sys.executable, "-m", "dicom_common.cli"]
DATA_VARIABLE = "DICOM_COMMON_TEST_DATA"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of an embedded installation that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def dicom_common(data: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in the data folder, and return what it printed."""

    def run(*arguments: str | Path, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "--data", str(data), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode in ok, f"exit code {done.returncode}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def small_files(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Write so many small made-up instances, and return their files."""
    return lambda count: write_files(tmp_path / "files", small_template(), count)


@pytest.fixture
def small_instances() -> Callable[[int], Iterator[bytes]]:
    return lambda count: instances(small_template(), count)


def real_files() -> Iterator[Path]:
    """Iterate over the real files that are at hand: pydicom's own, and those of the data folder where there is one."""
    import pydicom

    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    named = os.environ.get(DATA_VARIABLE)
    folders.append(Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "dicom")
    for folder in folders:
        if folder.is_dir():
            yield from sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".csv", ".txt", ".md"))


def lines(text: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def contents(data: Path, tenant: str = "local") -> dict[str, Any]:
    """Return everything that an embedded installation holds of a tenant, for comparisons."""
    with Services.from_file(overrides={"data": str(data)}) as services:
        return {
            "rows": {level.name: services.db.find(Query(tenant=tenant, level=level)) for level in Level},
            "stored": list(services.db.walk()),
            "metadata": [
                json.loads(document)
                for study in services.db.find(Query(tenant=tenant, level=Level.STUDY))
                for document in services.db.metadata(tenant, str(study["StudyInstanceUID"]))
            ],
            "objects": {info.key: b"".join(services.storage.read(info.key)) for info in services.storage.scan()},
        }
