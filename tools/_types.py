"""What mypy is given: all of it, or some packages, in turns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from _workspace import ROOT, Package, all_packages


def search_path(*, with_tests: bool = False) -> dict[str, str]:
    """Return the variable by which mypy finds our modules; for the files of `tests/` their own folders belong to it."""
    folders = [package.folder / "src" for package in all_packages() if package.module] + [ROOT / "tools"]
    if with_tests:
        folders += [ROOT / "tests", ROOT / "tests" / "benchmarks"]
    return {"MYPYPATH": os.pathsep.join(map(str, folders))}


def tool_files() -> list[Path]:
    """Return the files of the tools, and the noxfile."""
    return [*sorted(ROOT.glob("tools/*.py")), ROOT / "noxfile.py"]


def test_files() -> list[Path]:
    """Return the tests of the whole; repositories of third parties import what only their environments have."""
    repositories = [path.parent for path in ROOT.glob("tests/third_party/*/pyproject.toml")]
    return [
        path
        for path in sorted(ROOT.glob("tests/**/*.py"))
        if not any(path.is_relative_to(repository) for repository in repositories)
    ]


def test_turns(chosen: Iterable[Package]) -> Iterator[list[Path]]:
    """Give the test files of packages in turns: mypy takes one file of a name at a time, such as `conftest`."""
    waiting = sorted(file for package in chosen for file in package.tests.rglob("*.py"))
    while waiting:
        turn = {file.stem: file for file in reversed(waiting)}
        yield list(turn.values())
        waiting = [file for file in waiting if turn[file.stem] != file]
