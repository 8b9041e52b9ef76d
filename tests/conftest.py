"""Fixtures of the tests that cross packages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from corpus import instances, small_template, write_files
from embedded import COMMAND

from dicom_common.testing import find_canary


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
        assert find_canary(done.stderr) is None, done.stderr
        return done

    return run


@pytest.fixture
def small_files(tmp_path: Path) -> Callable[[int], list[Path]]:
    """Write so many small made-up instances, and return their files."""
    return lambda count: write_files(tmp_path / "files", small_template(), count)


@pytest.fixture
def small_instances() -> Callable[[int], Iterator[bytes]]:
    return lambda count: instances(small_template(), count)
