"""What the README says works: its commands exist, its example runs, its table and its links are right."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom.data
import pytest
from _workspace import ROOT, all_packages

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
INLINE = re.findall(r"`(dicom-common [^`\n]+)`", README)
COMMANDS = sorted(set(re.findall(r"^dicom-common ([a-z-]+)", "\n".join(BLOCKS + INLINE), re.MULTILINE)))
TOOLS = sorted(set(re.findall(r"python3 (tools/\w+\.py)((?: [a-z]+)?)", README)))


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_opens_with_the_two_commands() -> None:
    first = README.split("```")[1].strip().splitlines()
    assert [line.partition("#")[0].strip() for line in first] == [
        "python3 tools/dev.py demo",
        "python3 tools/dev.py test",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_it_names_exists(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_COMMON_EXTENSIONS", '["audit"]')  # which brings a command of its own
    assert "Usage" in run("-m", "dicom_common.cli", command, "--help")


@pytest.mark.parametrize(("tool", "command"), TOOLS)
def test_a_tool_that_it_names_exists(tool: str, command: str) -> None:
    words = [command.strip()] if tool == "tools/dev.py" else []
    assert "usage" in run(tool, *words, "--help")


def test_its_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    shutil.copy(str(pydicom.data.get_testdata_file("CT_small.dcm")), tmp_path)
    output = run("-c", example, cwd=tmp_path)
    assert "stored" in output
    assert "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322" in output


def test_its_table_has_every_package() -> None:
    rows = re.findall(r"^\| \[([a-z0-9-]+)\]", README, re.MULTILINE)
    assert sorted(rows) == sorted(package.name for package in all_packages())


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
