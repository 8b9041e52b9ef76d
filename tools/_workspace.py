"""What the repository holds: one `Package` for each folder of `packages/`, read from its pyproject.toml.

Packages with compiled code are no members of the workspace, because uv would build them for every command; they have a
session of their own.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "packages" / "dicom-common-testing" / "src"))
"""For `dicom_common.testing.servers`, which needs no installation; one that is installed comes first."""
PREFIX = "dicom-common"
META = "dicom-common"
"""The distribution without code: the embedded set, and an extra for each other package."""


RULES = ("tests/test_layout.py", "tests/test_import_rules.py", "tests/test_code_safety.py")
"""Tests of what is read from the files alone."""


@dataclass(frozen=True)
class Package:
    """One distribution of the workspace."""

    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The whole pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """The distribution's name; the folder has the same one."""
        return str(self.pyproject["project"]["name"])

    @property
    def short_name(self) -> str:
        """The name without `dicom-common-`, as it is typed on the command line."""
        return self.name.removeprefix(f"{PREFIX}-")

    @property
    def version(self) -> str:
        """The static version."""
        return str(self.pyproject["project"]["version"])

    @property
    def is_compiled(self) -> bool:
        """Whether it holds code that has to be compiled."""
        return bool(self.pyproject["build-system"]["build-backend"] == "maturin")

    @property
    def module(self) -> str | None:
        """The import package; None for a distribution without code."""
        if self.is_compiled:  # the compiled module is in it
            return str(self.pyproject["tool"]["maturin"]["module-name"]).rpartition(".")[0]
        return self.pyproject["tool"]["uv"]["build-backend"]["module-name"] or None

    @property
    def module_folder(self) -> Path | None:
        """Where the import package lies."""
        return self.folder / "src" / Path(*self.module.split(".")) if self.module else None

    @property
    def requirements(self) -> list[str]:
        """The requirements of the distribution itself, as written."""
        return list(self.pyproject["project"].get("dependencies", []))

    @property
    def extras(self) -> dict[str, list[str]]:
        """The extras and their requirements."""
        return dict(self.pyproject["project"].get("optional-dependencies", {}))

    @property
    def groups(self) -> dict[str, list[Any]]:
        """The dependency groups (PEP 735)."""
        return dict(self.pyproject.get("dependency-groups", {}))

    @property
    def entry_points(self) -> dict[str, dict[str, str]]:
        """Entry-point groups: name -> object reference."""
        return dict(self.pyproject["project"].get("entry-points", {}))

    @property
    def tests(self) -> Path:
        """The folder of the tests; it need not be there."""
        return self.folder / "tests"


def requirement_name(requirement: str) -> str:
    """Return the normalised name of the distribution that a requirement asks for (PEP 503)."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement.strip())
    if match is None:
        raise ValueError(f"{requirement!r} is not a requirement: it starts with the name of a distribution.")
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def packages() -> list[Package]:
    """All packages of the workspace, by name."""
    return [package for package in all_packages() if not package.is_compiled]


def compiled_packages() -> list[Package]:
    """All packages with compiled code, by name."""
    return [package for package in all_packages() if package.is_compiled]


def all_packages() -> list[Package]:
    """Both, by name."""
    return [Package(file.parent) for file in sorted((ROOT / "packages").glob("*/pyproject.toml"))]


def find_package(name: str) -> Package | None:
    """Look a package up by its distribution's name, or by that name without `dicom-common-`."""
    return next((package for package in all_packages() if name in (package.name, package.short_name)), None)
