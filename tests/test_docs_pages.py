"""What the pages of tools/docs show is run: each page from its top to its end, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pydicom
import pytest
from _workspace import ROOT
from doc_blocks import Block, blocks, shell_lines

DOCS = ROOT / "tools" / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SAMPLES = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")
TIME_LIMIT = 120
"""Seconds that one block may take."""


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_COMMON_")}
        self.environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self.environment["PYTHONPATH"] = str(folder)
        (folder / "samples").mkdir()
        for name in SAMPLES:
            shutil.copy(Path(pydicom.__file__).parent / "data" / "test_files" / name, folder / "samples")

    def does(self, block: Block) -> str:
        """Do what a block says, and return what was printed."""
        if block.title:
            (self.folder / block.title).write_text(block.code, encoding="utf-8")
            return ""
        if block.language == "python":
            return self.run(block, [sys.executable, "-c", block.code])
        assert block.language == "sh", f"{block.place}: say in which language it is"
        printed = ""
        for line in shell_lines(block.code):
            if line == "pip install .":
                self.install()
            else:
                printed += self.run(block, ["bash", "-euc", line])
        return printed

    def run(self, block: Block, words: list[str]) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{block.place}: {words[-1]}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def install(self) -> None:
        """Install the distribution that a page has written, as pip would, but into the folder of the page."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = self.folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        requires = "".join(f"Requires-Dist: {text}\n" for text in project["dependencies"])
        head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(head + requires, encoding="utf-8")
        groups = (
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in project["entry-points"].items()
        )
        (info / "entry_points.txt").write_text("".join(groups), encoding="utf-8")


def needs_a_server(block: Block) -> bool:
    return block.mark.startswith("service: ")


def done(page: Path, folder: Path) -> dict[str, str]:
    """Do what a page says, and return what each line of it printed."""
    reader = Reader(folder)
    name = page.relative_to(ROOT).as_posix()
    # A block that needs a server is a configuration, which is read by the tests of all pages.
    return {block.code: reader.does(block) for block in blocks(page, name) if not needs_a_server(block)}


def test_there_are_pages() -> None:
    assert {"operations.md", "write-a-backend.md"} < {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    printed = done(page, tmp_path)
    assert printed
    for expected in EXPECTED.get(page.name, ()):
        assert any(expected in text for text in printed.values()), f"{expected}\n{printed}"


EXPECTED: dict[str, Iterable[str]] = {
    "architecture.md": ("filesystem", '"backend": "sqlite"'),
    "ingest-contract.md": ('"status": "duplicate"', "1 queued"),
    "events.md": ("dicom_image_queue",),
    "write-a-backend.md": ("acme-cache-dict", "It is a dictionary.", " passed"),
}
"""What the page says that a command prints."""


MADE_UP = {
    "/path/to/dicom": "samples",
    "1.2.3.4": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
}
"""What the README makes up, and what stands in its place here."""
STAY = ("serve", "worker")
"""Commands that run until they are stopped; they have tests of their own."""


def test_the_commands_of_the_readme_run_one_after_another(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    ran = []
    for block in blocks(ROOT / "README.md", "README.md"):
        lines = shell_lines(block.code) if block.is_shell else []
        for line in lines:
            command = line.removeprefix("dicom-common ")
            if command == line or command.startswith(STAY):
                continue
            for made_up, real in MADE_UP.items():
                line = line.replace(made_up, real)  # noqa: PLW2901 - the same command
            reader.run(block, ["bash", "-euc", line])
            ran.append(command.split()[0])
    assert ran == ["ingest", "find", "metadata", "get", "check", "check", "dead-letters"]
    assert len(list((tmp_path / "study").rglob("*.dcm"))) == 1


def test_a_page_whose_commands_fail_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```sh\ndicom-common find --level galaxy\n```\n", encoding="utf-8")
    reader = Reader(tmp_path)
    [block] = blocks(page, "page.md")
    with pytest.raises(AssertionError, match=r"page\.md:3: dicom-common find --level galaxy"):
        reader.does(block)
