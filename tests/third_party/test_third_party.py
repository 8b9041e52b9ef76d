"""Third parties: repositories with import names of their own, built as wheels and proven beside ours from wheels alone.

Each runs its whole contract in an environment that has only wheels in it, its own and ours, away from this repository.
They are what the guide walks through. The sessions `wheels` and `downstream` of nox run this file and build our wheels;
without them, they are built here once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from _workspace import ROOT, packages

HERE = Path(__file__).parent
REPOSITORIES = sorted(path.parent for path in HERE.glob("*/pyproject.toml"))
_MOST_SECONDS = 1800

pytestmark = [pytest.mark.slow, pytest.mark.kills]


def run(*words: str | Path, cwd: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=_MOST_SECONDS
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of our wheels."""
    if "DICOM_COMMON_TEST_WHEELS" in os.environ:
        return Path(os.environ["DICOM_COMMON_TEST_WHEELS"])
    if shutil.which("uv") is None:
        pytest.skip("uv is not on the PATH: run `python3 tools/dev.py test wheels`")
    folder = tmp_path_factory.mktemp("wheels")
    run("uv", "build", "--all-packages", "--wheel", "--quiet", f"--out-dir={folder}", cwd=ROOT)
    return folder


@pytest.mark.parametrize("repository", REPOSITORIES, ids=lambda path: path.name)
def test_a_repository_of_a_third_party_passes_its_contract_from_wheels(
    repository: Path, wheels: Path, tmp_path: Path
) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    own = tmp_path / "own"
    run("uv", "build", "--wheel", "--quiet", f"--out-dir={own}", str(repository), cwd=tmp_path)
    # A constraint binds each name of ours to its wheel: the index is asked for other people's packages only.
    constraints = tmp_path / "ours.txt"
    lines = [f"{ours.name} @ {found.as_uri()}\n" for ours in packages() if (found := _wheel(wheels, ours.name))]
    constraints.write_text("".join(lines), encoding="utf-8")
    run("uv", "venv", "--quiet", f"--python={sys.executable}", "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    install = ("uv", "pip", "install", "--quiet", f"--python={python}", "--constraint", constraints)
    run(*install, *own.glob("*.whl"), *project["dependency-groups"]["test"], cwd=tmp_path)
    tests = shutil.copytree(repository / "tests", tmp_path / "repository" / "tests")
    shutil.copy(repository / "pyproject.toml", tests.parent)
    run(python, "-m", "pytest", "-q", "-ra", "--import-mode=importlib", "tests", cwd=tests.parent)


def _wheel(folder: Path, name: str) -> Path | None:
    return next(folder.glob(f"{name.replace('-', '_')}-[0-9]*.whl"), None)
