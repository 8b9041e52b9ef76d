"""The real command on real files and the embedded backends."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package; pytest's importlib mode adds no path
from cli_command import SAMPLES, Answer, Installation, run


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Answer]:
    """The command as it is typed in an empty folder."""
    return lambda *arguments, **options: run(*arguments, cwd=tmp_path, **options)


@pytest.fixture
def new(tmp_path: Path) -> Installation:
    """An installation that is not there yet."""
    return Installation(tmp_path / "data")


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def patient_folder(samples: Path) -> Path:
    """Seven instances of one patient: a study of three series CR, and one of one series CT."""
    return samples / "dicomdirtests" / "77654033"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, patient_folder: Path, samples: Path) -> Installation:
    """An installation with eight instances. Tests must not change it."""
    made = Installation(tmp_path_factory.mktemp("filled") / "data")
    answer = made("ingest", patient_folder, samples / "CT_small.dcm")
    assert answer.code == 0, answer
    return made


@pytest.fixture
def own(filled: Installation, tmp_path: Path) -> Installation:
    """A copy of that installation, for tests that change it."""
    shutil.copytree(filled.data, tmp_path / "data")
    return Installation(tmp_path / "data")
