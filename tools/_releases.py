"""What a release of each distribution would be: its last tag, what changed since, and what stands in its way."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from _environment import ToolError
from _workspace import ROOT, Package, all_packages, requirement_name

UNRELEASED = "## Unreleased\n"
NOT_SHIPPED = ("tests", "CHANGELOG.md")
"""What may change in a package without a release."""
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")


def git(*words: str) -> str:
    """Run git in the repository and return what it printed."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"`git {words[0]}` failed: {done.stderr.strip()}")
    return done.stdout.strip()


def numbers(version: str) -> tuple[int, ...]:
    """Return a version such as 0.2.0 in a form that compares: 1.0 is 1.

    Raises:
        ToolError: it has a letter; a release has numbers only.
    """
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        raise ToolError(f"the version {version} is not made of numbers, such as 0.2.0: change it in pyproject.toml.")
    found = [int(part) for part in version.split(".")]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


@dataclass(frozen=True)
class Release:
    """The next release of one distribution."""

    package: Package

    @property
    def tag(self) -> str:
        """The tag of the package's present version."""
        return f"{self.package.name}-v{self.package.version}"

    @cached_property
    def last_tag(self) -> str | None:
        """The tag of its last release that this commit comes after; None before the first one."""
        tags = git("tag", "--merged", "HEAD", "--list", f"{self.package.name}-v*", "--sort=-version:refname")
        own = re.compile(re.escape(self.package.name) + r"-v\d+(\.\d+)*")
        return next((tag for tag in tags.split() if own.fullmatch(tag)), None)

    @property
    def last_version(self) -> str | None:
        """The version that was released last."""
        return self.last_tag and self.last_tag.rpartition("-v")[2]

    @cached_property
    def commits(self) -> list[str]:
        """The subjects of the commits since the last release that changed what is shipped, the newest first."""
        folder = f"packages/{self.package.name}"
        since = f"{self.last_tag}..HEAD" if self.last_tag else "HEAD"
        left_out = [f":(exclude){folder}/{name}" for name in NOT_SHIPPED]
        return git("log", "--format=%s", since, "--", folder, *left_out).splitlines()

    @cached_property
    def changelog(self) -> str:
        """The text of its CHANGELOG.md."""
        return (self.package.folder / "CHANGELOG.md").read_text(encoding="utf-8")

    @property
    def told(self) -> int:
        """How many changes its CHANGELOG.md tells below "Unreleased", or below the present version if that is new."""
        sections = [UNRELEASED.strip()]
        if self.last_version != self.package.version:
            sections.append(f"## {self.package.version}")
        return sum(section.count("\n- ") for section in map(self._section, sections))

    def _section(self, heading: str) -> str:
        match = re.search(rf"^{re.escape(heading)}\b[^\n]*(\n.*?)(?=^## |\Z)", self.changelog, re.DOTALL | re.MULTILINE)
        return match[1] if match else ""

    def problems(self) -> Iterator[str]:
        """Say what is wrong between two releases: changes that are told nowhere, bounds that do not hold."""
        if self.commits and not self.told:
            since = f"since {self.last_tag}" if self.last_tag else "and was never released"
            count = "1 commit" if len(self.commits) == 1 else f"{len(self.commits)} commits"
            yield f'it has {count} {since}, and CHANGELOG.md has no line below "## Unreleased".'
        yield from unmet_bounds(self.package, all_packages())

    def obstacles(self) -> Iterator[str]:
        """Say what is in the way of a release now."""
        yield from self.problems()
        version = self.package.version
        if git("tag", "--list", self.tag):
            yield f"{self.tag} is there already: raise the version in packages/{self.package.name}/pyproject.toml."
        elif self.last_version and numbers(version) <= numbers(self.last_version):
            yield f"version {version} is not above {self.last_version}, which was released last: raise it."
        if self.last_tag and not self.commits:
            yield f"nothing that is shipped has changed since {self.last_tag}."

    def prepared(self, today: dt.date) -> str:
        """Return the changelog with what was unreleased below the version, and an empty `Unreleased` on top.

        Raises:
            ToolError: there is nothing unreleased in it, or the version has a section already.
        """
        if re.search(rf"^## {re.escape(self.package.version)}\b", self.changelog, re.MULTILINE):
            raise ToolError(
                f"CHANGELOG.md of {self.package.name} has a section {self.package.version} already: raise the version."
            )
        head, found, rest = self.changelog.partition(UNRELEASED)
        if not found:
            raise ToolError(
                f'CHANGELOG.md of {self.package.name} has no line "## Unreleased": write it on top, and below it what'
                " changed."
            )
        changes, following, older = re.match(r"(.*?)(^## |\Z)(.*)", rest, re.DOTALL | re.MULTILINE).groups()  # type: ignore[union-attr]  # matches any text
        if not changes.strip():
            raise ToolError(
                f'CHANGELOG.md of {self.package.name} has nothing below "## Unreleased": write what changed for users.'
            )
        section = f"## {self.package.version} - {today.isoformat()}\n\n{changes.strip()}\n"
        return f"{head}{UNRELEASED}\n{section}" + (f"\n{following}{older}" if following else "")


def unmet_bounds(package: Package, siblings: Iterable[Package]) -> Iterator[str]:
    """Say which requirements of a package do not allow the version that a sibling has here."""
    versions = {sibling.name: sibling.version for sibling in siblings}
    for text in [*package.requirements, *(text for texts in package.extras.values() for text in texts)]:
        present = versions.get(requirement_name(text))
        if present is None:
            continue
        bounds = _BOUND.findall(text)
        if {operator for operator, _ in bounds} != {">=", "<"}:
            yield f"{text!r} needs a lower and an upper bound."
        for operator, bound in bounds:
            fits = numbers(present) >= numbers(bound) if operator == ">=" else numbers(present) < numbers(bound)
            if not fits:
                yield f"{text!r} does not allow version {present}, which is the one here: change the bound."


def in_order(releases: Iterable[Release]) -> list[Release]:
    """Sort releases so that each comes after those that it requires."""
    waiting = {release.package.name: release for release in releases}
    done: list[Release] = []
    while waiting:
        free = [
            name
            for name, release in waiting.items()
            if not ({requirement_name(text) for text in release.package.requirements} - {name}) & waiting.keys()
        ]
        if not free:
            raise ToolError(f"these require each other in a circle: {', '.join(waiting)}.")
        done += [waiting.pop(name) for name in sorted(free)]
    return done
