"""Other versions than those of the lock file: the lowest that are allowed, and what was released."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from _workspace import PREFIX, ROOT, Package, packages, requirement_name

CORE = f"{PREFIX}-core"


def lowest(package: Package) -> list[str]:
    """Return the requirements to install with a package's lowest versions.

    Its own, those of its tests, and those of the siblings among them: `uv pip install --resolution lowest-direct`
    takes the lowest version of what stands on its command line only.
    """
    by_name = {one.name: one for one in packages()}
    found: dict[str, None] = {}
    waiting = [*package.requirements, *(text for text in package.groups.get("test", []) if isinstance(text, str))]
    for text in waiting:  # it grows meanwhile
        if text not in found:
            found[text] = None
            if sibling := by_name.get(requirement_name(text)):
                waiting += [*sibling.requirements, *_of_extras(sibling, text)]
    return list(found)


def _of_extras(sibling: Package, requirement: str) -> Iterator[str]:
    names = requirement.partition("[")[2].partition("]")[0] if "[" in requirement else ""
    for name in filter(None, map(str.strip, names.split(","))):
        yield from sibling.extras.get(name, [])


def core_tags() -> list[str]:
    """Return the tags of the core's releases, the newest first."""
    words = ["git", "tag", "--list", f"{CORE}-v*", "--sort=-version:refname"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def released_packages(tag: str, folder: Path) -> list[Package]:
    """Unpack the repository as a tag has it into a folder, and return its plugins: what depends on the core."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", tag], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    found = [Package(file.parent) for file in sorted(folder.glob("packages/*/pyproject.toml"))]
    return [package for package in found if needs_core(package)]


def needs_core(package: Package) -> bool:
    """Tell whether a package depends on the core itself."""
    return CORE in _names(package.requirements)


def _names(requirements: Iterable[str]) -> set[str]:
    return {requirement_name(text) for text in requirements}
