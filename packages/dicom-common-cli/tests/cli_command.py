"""Running the real command in child processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom

from dicom_common.testing import find_canary

COMMAND = [sys.executable, "-m", "dicom_common.cli"]
HANG = 120
"""Seconds after which a command counts as hung."""
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return the environment without what a developer may have set for this library."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_COMMON_")}
    return kept | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "80"} | variables


@dataclass
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str
    announced: str = ""
    """The line that says which files of the current folder configure it, which is not in `err`."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def fails_with_one_line(self, *words: str) -> None:
        assert self.code == 2, self
        assert not self.out, self
        assert self.err.startswith("dicom-common: "), self
        assert self.err.count("\n") == 1, self
        for word in words:
            assert word in self.err


@dataclass
class Installation:
    """A data folder and the command in it."""

    data: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        return [*COMMAND, "--data", str(self.data)]

    @property
    def count(self) -> int:
        """How many instances the index has; looked up without the command, which takes half a second."""
        with closing(sqlite3.connect(self.data / "index.sqlite")) as database:
            [(count,)] = database.execute("SELECT count(*) FROM instance")
            return int(count)

    def __call__(self, *arguments: str | Path) -> Answer:
        return run("--data", self.data, *arguments, cwd=self.data.parent, variables=self.variables)

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start the command in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [*self.words, *map(str, arguments)],
            cwd=self.data.parent,
            env=environment(self.variables),
            text=True,
            start_new_session=True,
            **options,
        )


def run(*arguments: str | Path, cwd: Path, variables: dict[str, str] | None = None, **options: Any) -> Answer:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment(variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
        **options,
    )
    assert "Traceback" not in done.stderr or "--verbose" in arguments, done.stderr
    assert find_canary(done.stderr) is None, done.stderr
    lines = done.stderr.splitlines(keepends=True)
    announced = "".join(line for line in lines if line.startswith("Configured by "))
    return Answer(done.returncode, done.stdout, done.stderr.replace(announced, ""), announced)
