"""A new backend: its repository installs, is listed, and says what to write; and the guide leads to one that passes."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _workspace import ROOT
from guide import follow

import dicom_common.core
from dicom_common.testing._scaffold._make import PROTOCOLS

KINDS = ("storage", "db", "cache", "broker", "auth", "keyring", "extension")
CONTRACTS = ("storage", "cache", "auth", "extension")
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
    assert found == dict.fromkeys((*KINDS, "commands"), "ready")


@pytest.mark.parametrize("kind", CONTRACTS)
def test_a_working_template_passes_its_contract(made: Path, kind: str) -> None:
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *(["-k", SELECTED[kind]] if kind in SELECTED else [])]
    output = run(sys.executable, *words, cwd=made / kind, path=made / "installed")
    assert " passed" in output


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(CONTRACTS)))
def test_the_methods_that_are_to_be_written_fail_their_contract_one_by_one(made: Path, kind: str) -> None:
    output = run(sys.executable, "-m", "pytest", "-q", "-x", cwd=made / kind, path=made / "installed", code=1)
    assert re.search(r"the backend's method `\w+` is not written yet", output)
    assert re.search(r"Write `\w+`, then run the tests again\.", output)


def test_the_backend_can_be_used_by_configuration(made: Path, tmp_path: Path) -> None:
    (tmp_path / "dicom-common.toml").write_text('[storage]\nbackend = "tape-drive"\n')
    output = run(sys.executable, "-m", "dicom_common.cli", "check", cwd=tmp_path, path=made / "installed")
    assert "storage" in output


def test_the_command_of_an_extension_has_its_settings(made: Path, tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("1.2.3\n1.2.4\n")
    (tmp_path / "dicom-common.toml").write_text(
        f'extensions = ["tape-drive"]\n[tape-drive]\njournal = "{tmp_path / "journal"}"\n'
    )
    words = ["-m", "dicom_common.cli", "tape-drive"]
    assert run(sys.executable, *words, cwd=tmp_path, path=made / "installed") == "2 instances\n"


@pytest.mark.parametrize("name", ["Tape", "../tape", "tape_drive", "-tape", "tape-", ""])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    run(sys.executable, "tools/new_backend.py", "storage", f"--output={tmp_path / 'made'}", "--", name, code=2)
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
@pytest.mark.kills
@pytest.mark.parametrize(
    ("kind", "summary"),
    [("storage", "^1[0-9]{2} passed, [0-9]+ skipped, 1 xfailed"), ("broker", "^3[0-9] passed, [0-9]+ skipped in")],
)
def test_a_backend_in_memory_passes_its_contract_by_following_the_guide(
    kind: str, summary: str, tmp_path: Path
) -> None:
    made = follow(Path(sys.executable), tmp_path, kind)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--override-ini=xfail_strict=true"]
    output = run(sys.executable, *words, cwd=made, path=made / "src")
    assert re.search(summary, output, re.MULTILINE), output


@pytest.mark.slow
def test_what_is_made_is_typed(made: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    guided = [follow(Path(sys.executable), tmp_path, kind) for kind in ("storage", "broker")]
    sources = [str(folder / "src") for folder in (*(made / kind for kind in KINDS), *guided)]
    words = ["-m", "mypy", "--strict", "--namespace-packages", "--explicit-package-bases", *sources]
    environment = os.environ | {"MYPYPATH": os.pathsep.join(sources), "MYPY_CACHE_DIR": str(made / "types")}
    done = subprocess.run(
        [sys.executable, *words], cwd=made, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_tool_and_the_kit_make_the_same(tmp_path: Path) -> None:
    ways = {"tool": ["tools/new_backend.py"], "kit": ["-m", "dicom_common.testing", "new"]}
    for folder, words in ways.items():
        run(sys.executable, *words, "broker", "nats", "--output", tmp_path / folder)
    files = {path.relative_to(tmp_path / "kit") for path in (tmp_path / "kit").rglob("*") if path.is_file()}
    assert len(files) == 8
    for file in files:
        assert (tmp_path / "tool" / file).read_bytes() == (tmp_path / "kit" / file).read_bytes()


def test_an_installed_name_is_refused(tmp_path: Path) -> None:
    words = ["new", "storage", "filesystem", "--output", str(tmp_path / "made")]
    run(sys.executable, "-m", "dicom_common.testing", *words, code=2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_names_what_a_contract_promises_and_every_method(kind: str) -> None:
    page = run(sys.executable, "-m", "dicom_common.testing", "guide", kind)
    assert page.startswith("# Write ")
    assert "| for you to prove |" in page
    protocol = getattr(dicom_common.core, PROTOCOLS[kind])
    for name in vars(protocol):
        if inspect.isfunction(getattr(protocol, name)) and not name.startswith("_"):
            assert f"`{name}" in page, f"the guide of {kind} does not name {name}"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    run(sys.executable, "tools/new_backend.py", "cache", "tape", "--output", tmp_path, code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
