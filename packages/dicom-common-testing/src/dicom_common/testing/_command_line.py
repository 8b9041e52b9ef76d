"""Running the real command `dicom-common` in a child process, for tests of commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dicom_common.testing._canary import find_canary

__all__ = ["COMMAND", "CommandAnswer", "command_environment", "run_command"]

COMMAND = (sys.executable, "-m", "dicom_common.cli")
"""The words that begin the command line."""
_HANG = 120
"""Seconds after which a command counts as hung."""


@dataclass
class CommandAnswer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str
    announced: str = ""
    """The line that says which files of the current folder configure it, which is not in `err`."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def fails_with_one_line(self, *words: str) -> None:
        """Assert that it failed, with one sentence on stderr that has these words in it."""
        assert self.code == 2, self
        assert not self.out, self
        assert self.err.startswith("dicom-common: "), self
        assert self.err.count("\n") == 1, self
        for word in words:
            assert word in self.err


def command_environment(variables: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return the environment without what a developer may have set for this library, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DICOM_COMMON_")}
    return {**kept, "PYTHONIOENCODING": "utf-8", "COLUMNS": "80", **variables}


def run_command(
    *arguments: str | Path, cwd: Path, variables: Mapping[str, str] | None = None, **options: Any
) -> CommandAnswer:
    """Run the command and return its answer; a traceback or a test patient's data in stderr fails the test.

    Args:
        arguments: those of `dicom-common`.
        cwd: the folder that it runs in.
        variables: of its environment.
        options: more for `subprocess.run`.
    """
    done = subprocess.run(  # noqa: S603  # the command that is tested
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=command_environment(variables or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_HANG,
        check=False,
        **options,
    )
    assert "Traceback" not in done.stderr or "--verbose" in arguments, done.stderr
    assert find_canary(done.stderr) is None, done.stderr
    lines = done.stderr.splitlines(keepends=True)
    announced = "".join(line for line in lines if line.startswith("Configured by "))
    return CommandAnswer(done.returncode, done.stdout, done.stderr.replace(announced, ""), announced)
