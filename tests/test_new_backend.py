"""`tools/new_backend.py` makes a repository that installs, is listed, and passes the contract of its kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _workspace import ROOT

KINDS = ("storage", "db", "cache", "broker", "auth", "keyring")
CONTRACTS = ("storage", "cache", "auth")
"""The kinds whose template is a backend that works; the contract of a storage alone takes half a minute: a part."""
SELECTED = {"storage": "bytes or key or scan or range or close"}


def run(*words: str | Path, cwd: Path = ROOT, code: int = 0, path: Path | None = None) -> str:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one backend of each kind, and install all of them into a folder beside this environment."""
    folder = tmp_path_factory.mktemp("backends")
    for kind in KINDS:
        run(sys.executable, "tools/new_backend.py", kind, "tape-drive", "--output", folder / kind)
    install = ["uv", "pip", "install", "--quiet", "--no-deps", f"--python={sys.executable}"]
    run(*install, f"--target={folder / 'installed'}", *(folder / kind for kind in KINDS), cwd=folder)
    return folder


def test_dicom_common_lists_them_all_as_ready(made: Path) -> None:
    output = run(sys.executable, "-m", "dicom_common.cli", "plugins", "--json", path=made / "installed")
    text = output.strip()
    plugins = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    found = {plugin["kind"]: plugin["state"] for plugin in plugins if plugin["name"] == "tape-drive"}
    assert found == dict.fromkeys(KINDS, "ready")


@pytest.mark.parametrize("kind", CONTRACTS)
def test_a_working_template_passes_its_contract(made: Path, kind: str) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *(["-k", SELECTED[kind]] if kind in SELECTED else [])]
    output = run(sys.executable, *words, cwd=made / kind, path=made / "installed")
    assert " passed" in output


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(CONTRACTS)))
def test_the_methods_that_are_to_be_written_fail_their_contract_one_by_one(made: Path, kind: str) -> None:
    output = run(sys.executable, "-m", "pytest", "-q", "-x", cwd=made / kind, path=made / "installed", code=1)
    assert "NotImplementedError" in output


def test_the_backend_can_be_used_by_configuration(made: Path, tmp_path: Path) -> None:
    (tmp_path / "dicom-common.toml").write_text('[storage]\nbackend = "tape-drive"\n')
    output = run(sys.executable, "-m", "dicom_common.cli", "check", cwd=tmp_path, path=made / "installed")
    assert "storage" in output


@pytest.mark.parametrize("name", ["Tape", "../tape", "tape_drive", "-tape", "tape-", ""])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    run(sys.executable, "tools/new_backend.py", "storage", f"--output={tmp_path / 'made'}", "--", name, code=2)
    assert not (tmp_path / "made").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    run(sys.executable, "tools/new_backend.py", "cache", "tape", "--output", tmp_path, code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
