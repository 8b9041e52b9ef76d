"""An installation of the real command, in child processes."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom

from dicom_common.testing import CommandAnswer as Answer, run_command as run
from dicom_common.testing._command_line import COMMAND, command_environment as environment

__all__ = ["COMMAND", "HANG", "SAMPLES", "Answer", "Installation", "environment", "run"]

HANG = 120
"""Seconds after which a command counts as hung."""
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


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
