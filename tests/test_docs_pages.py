"""What the pages of tools/docs show is run: each page from its top to its end, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
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


COMMAND = re.compile(r"dicom-common [^|<>&;$`]*")
"""A line that needs no shell."""

FORKED = """
import json, os, sys, traceback
import dicom_common.cli, dicom_common.pipeline, pydicom
import dicom_common.broker.sqlite, dicom_common.cache.memory, dicom_common.db.sqlite, dicom_common.storage.filesystem

for line in sys.stdin:
    folder, output, words = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(folder)
        sys.path.insert(0, folder)
        written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream, descriptor in ((os.open(os.devnull, os.O_RDONLY), 0), (written, 1), (written, 2)):
            os.dup2(stream, descriptor)
        code = 70
        try:
            code = dicom_common.cli.main(words)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs commands in children of a process that has imported everything: half a second less for each."""


@pytest.fixture(scope="module")
def forked() -> Iterator[subprocess.Popen[str]]:
    """Such a process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_COMMON_")}
    words = [sys.executable, "-c", FORKED]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, folder: Path, forked: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.forked = forked
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
            printed += self.types(block, line)
        return printed

    def types(self, block: Block, line: str) -> str:
        """Run one line."""
        if line == "pip install .":
            self.install()
            return ""
        return self.command(block, line) if COMMAND.fullmatch(line) else self.run(block, ["bash", "-euc", line])

    def command(self, block: Block, line: str) -> str:
        assert self.forked.stdin is not None
        assert self.forked.stdout is not None
        output = self.folder / "output.txt"
        request = json.dumps([str(self.folder), str(output), shlex.split(line)[1:]])
        self.forked.stdin.write(f"{request}\n")
        self.forked.stdin.flush()
        code = int(self.forked.stdout.readline())
        printed = output.read_text(encoding="utf-8")
        assert code == 0, f"{block.place}: {line}\n{printed}"
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


def done(page: Path, reader: Reader) -> dict[str, str]:
    """Do what a page says, and return what each line of it printed."""
    name = page.relative_to(ROOT).as_posix()
    # A block that needs a server is a configuration, which is read by the tests of all pages.
    return {block.code: reader.does(block) for block in blocks(page, name) if not needs_a_server(block)}


def test_there_are_pages() -> None:
    assert {"operations.md", "write-a-backend.md"} < {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, forked: subprocess.Popen[str]) -> None:
    printed = done(page, Reader(tmp_path, forked))
    assert printed
    for expected in EXPECTED.get(page.name, ()):
        assert any(expected in text for text in printed.values()), f"{expected}\n{printed}"


EXPECTED: dict[str, Iterable[str]] = {
    "architecture.md": ("filesystem", '"backend": "sqlite"'),
    "ingest-contract.md": ('"status": "duplicate"', "1 queued"),
    "events.md": ("dicom_image_queue",),
    "write-a-backend.md": ("acme-cache-dict", "a dictionary", " passed", "statement of the cache backend 'dict'"),
}
"""What the page says that a command prints."""


MADE_UP = {
    "/path/to/dicom": "samples",
    "1.2.3.4": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
}
"""What the README makes up, and what stands in its place here."""
STAY = ("serve", "worker")
"""Commands that run until they are stopped; they have tests of their own."""


def test_the_commands_of_the_readme_run_one_after_another(tmp_path: Path, forked: subprocess.Popen[str]) -> None:
    reader = Reader(tmp_path, forked)
    ran = []
    for block in blocks(ROOT / "README.md", "README.md"):
        lines = shell_lines(block.code) if block.is_shell else []
        for line in lines:
            command = line.removeprefix("dicom-common ")
            if command == line or command.startswith(STAY):
                continue
            for made_up, real in MADE_UP.items():
                line = line.replace(made_up, real)  # noqa: PLW2901 - the same command
            reader.types(block, line)
            ran.append(command.split()[0])
    assert ran == ["ingest", "find", "metadata", "get", "check", "check", "dead-letters"]
    assert len(list((tmp_path / "study").rglob("*.dcm"))) == 1


def test_a_page_whose_commands_fail_is_found(tmp_path: Path, forked: subprocess.Popen[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```sh\ndicom-common find --level galaxy\n```\n", encoding="utf-8")
    reader = Reader(tmp_path, forked)
    [block] = blocks(page, "page.md")
    with pytest.raises(AssertionError, match=r"page\.md:3: dicom-common find --level galaxy"):
        reader.does(block)
