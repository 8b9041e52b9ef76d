"""What was tolerated in a data set, collected while it is read."""

from __future__ import annotations

from dicom_common.core import Finding
from dicom_common.dicom._rules import Rule

__all__ = ["Findings", "tag_path"]

_MOST = 100


def tag_path(tags: list[int]) -> str:
    """Write nested tags as the records do: eight hex digits each, joined by dots."""
    return ".".join(f"{tag:08X}" for tag in tags)


class Findings:
    """The warnings of one instance: each tag and rule once, at most 100, so that bad input cannot make them many."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: dict[tuple[tuple[int, ...], str], Finding] = {}

    def add(self, tags: list[int], rule: Rule, action: str) -> None:
        """Note that `rule` was broken at the (nested) tag, and what was done. Never a value."""
        if len(self._found) >= _MOST:
            tags, rule, action = [], Rule.MORE_FINDINGS, "further findings not kept"
        key = (tuple(tags), rule)
        if key not in self._found:
            self._found[key] = Finding(tag_path(tags), rule.value, action)

    def as_tuple(self) -> tuple[Finding, ...]:
        """Give the findings in the order in which they were made."""
        return tuple(self._found.values())
