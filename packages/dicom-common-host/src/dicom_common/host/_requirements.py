"""What a distribution requires, compared with what is installed; from metadata alone."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution as find_distribution
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["Unmet", "headers", "normalized", "unmet"]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_EXTRAS = re.compile(r"\s*\[[^\]]*\]")
_OF_EXTRA = re.compile(r";(?:(?!\bor\b).)*\bextra\s*==\s*(['\"])[^'\"]+\1\s*$")
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


class Unmet(NamedTuple):
    """A requirement that the environment does not meet."""

    required: str
    """The distribution, as the requirement names it."""
    wanted: str
    """The versions that are allowed, as written: `>=7.2,<8`."""
    present: str | None
    """The version that is installed; None where none is."""


def headers(distribution: Distribution, key: str) -> list[str]:
    """Return the values of a field of the metadata of a distribution."""
    return [line.partition(":")[2].strip() for line in _lines(distribution) if line.startswith(f"{key}:")]


@lru_cache
def _lines(distribution: Distribution) -> tuple[str, ...]:
    """Return the fields of the metadata of a distribution.

    Read line by line: `importlib.metadata` takes a parser of e-mail for it, which costs more than all else here. A
    half-removed distribution may have entry points and no metadata. It is known by identity: `entry_points` makes a new
    one each time, so what was installed or removed meanwhile is seen.
    """
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return tuple(text.partition("\n\n")[0].splitlines())


def unmet(distribution: Distribution) -> Unmet | None:
    """Return the first requirement of a distribution that is missing here, or has a version that it does not allow."""
    for text in headers(distribution, "Requires-Dist"):
        match = _REQUIREMENT.match(text)
        if match is None or (";" in text and not _applies(text)):
            continue
        # Of an extra of the requirement, such as `redis[hiredis]`, only the distribution itself is looked for.
        wanted = text[match.end() :].partition(";")[0].strip()
        try:
            present = next(iter(headers(find_distribution(match[1]), "Version")), "")
        except PackageNotFoundError:
            return Unmet(match[1], wanted, None)
        if present and not _allows(text, present):
            return Unmet(match[1], wanted, present)
    return None


def _applies(text: str) -> bool:
    """Tell whether a requirement with a marker, such as that of an extra, is one here."""
    if _OF_EXTRA.search(text):
        return False
    requirement = _parsed(text)
    return requirement is not None and (not requirement.marker or bool(requirement.marker.evaluate({"extra": ""})))


@cache
def _allows(text: str, present: str) -> bool:
    """Tell whether a version is among those that a requirement allows."""
    behind = text.partition(";")[0][len(_REQUIREMENT.match(text)[0]) :]  # type: ignore[index]  # it matched
    written = _EXTRAS.sub("", behind, count=1).strip(" ()")
    bounds = [_BOUND.fullmatch(one.strip()) for one in written.split(",")]
    if not written:
        return True
    if all(bounds) and _RELEASE.fullmatch(present):  # plain numbers: no need of the library
        has = _numbers(present)
        return all(has >= _numbers(one[2]) if one[1] == ">=" else has < _numbers(one[2]) for one in bounds if one)
    requirement = _parsed(text)
    return requirement is None or requirement.specifier.contains(present, prereleases=True)


def _numbers(release: str) -> tuple[int, ...]:
    numbers = [int(part) for part in release.split(".")]
    while numbers and not numbers[-1]:  # 1.0 is 1
        numbers.pop()
    return tuple(numbers)


def _parsed(text: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 20 ms, needed here only

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def normalized(distribution: str) -> str:
    """Return the name of a distribution in the form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
