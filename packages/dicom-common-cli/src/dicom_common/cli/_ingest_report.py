"""What `ingest` says: of each file, of what was not taken, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_common.cli._output import note, print_json, print_line

if TYPE_CHECKING:
    from dicom_common.pipeline import Missed, Result

__all__ = ["Report", "Tally"]

_ORDER = ("stored", "queued", "duplicate", "replaced", "rejected", "skipped", "missed")
_WITH_REASONS = ("rejected", "skipped", "missed")


@dataclass
class Tally:
    """What became of the files so far."""

    counts: Counter[str] = field(default_factory=Counter)
    """By status."""
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: {status: Counter() for status in _WITH_REASONS})
    """Of those that were not taken, by status."""
    warned: int = 0
    unavailable: int = 0
    in_vain: int = 0
    """Files in a row that no backend would take."""
    obstacle: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing that may be an instance."""
        return self.counts.total() == self.counts["skipped"]

    @property
    def is_incomplete(self) -> bool:
        """Whether something that may be an instance was not taken."""
        return bool(self.counts["rejected"] or self.counts["missed"])

    def add(self, status: str, reason: str) -> None:
        """Count one."""
        self.counts[status] += 1
        if status in self.reasons:
            self.reasons[status][reason] += 1

    def __str__(self) -> str:
        parts = []
        for status in _ORDER:
            if number := self.counts[status]:
                reasons = sorted(self.reasons.get(status, {}).items(), key=lambda item: (-item[1], item[0]))
                why = ", ".join(f"{count} {reason}" for reason, count in reasons)
                parts.append(f"{number} {status}{f' ({why})' if why else ''}")
        total = self.counts.total()
        return f"{total} file{'' if total == 1 else 's'}: {', '.join(parts) or 'nothing done'}"


class Report:
    """Tells of files as they come, and counts them.

    Args:
        tally: counts.
        named: the paths that the caller named: nothing of them is a companion of others.
        as_json: print a line for each; else for each that may be an instance and was not taken.
    """

    def __init__(self, tally: Tally, *, named: Iterable[Path], as_json: bool) -> None:
        self._tally = tally
        self._named = frozenset(map(str, named))
        self._as_json = as_json

    def result(self, result: Result) -> None:
        """Tell of the answer to a file."""
        status = "skipped" if self._is_skipped(result) else str(result.status)
        tally = self._tally
        tally.add(status, result.reason)
        tally.warned += bool(result.warnings)
        tally.unavailable += result.retry
        tally.in_vain = tally.in_vain + 1 if result.retry else 0
        if result.retry:
            tally.obstacle = result.message
        warnings = [finding._asdict() for finding in result.warnings]
        self._line(
            *(result.name, status, result.reason, result.message),
            sop_uid=result.sop_uid,
            key=result.key,
            warnings=warnings,
        )
        if status == "rejected" and not result.retry and not self._as_json:
            print_line(f"rejected {result.name}: {result.message} [{result.reason}]")

    def missed(self, missed: Missed) -> None:
        """Tell of what a walk did not take."""
        status = "skipped" if missed.reason == "hidden" else "missed"
        self._tally.add(status, missed.reason)
        self._line(str(missed.path), status, missed.reason, missed.message)
        if status == "missed" and not self._as_json:
            print_line(f"missed {missed.path}: {missed.message} [{missed.reason}]")

    def summary(self) -> None:
        """Say how many became what: on stderr, where stdout is for programs."""
        (note if self._as_json else print_line)(str(self._tally))
        if self._tally.warned and not self._as_json:
            note(f"{self._tally.warned} of them have warnings, which --json shows.")

    def _is_skipped(self, result: Result) -> bool:
        if result.reason != "not-dicom":
            return result.reason == "media-directory"
        from dicom_common.pipeline import is_companion  # noqa: PLC0415 - an import costs more than all else of a result

        return result.name not in self._named and is_companion(Path(result.name))

    def _line(  # noqa: PLR0913 - each is a key
        self,
        path: str,
        status: str,
        reason: str,
        message: str,
        *,
        sop_uid: str | None = None,
        key: str | None = None,
        warnings: list[dict[str, Any]] | None = None,
    ) -> None:
        if self._as_json:
            print_json(
                {
                    "path": path,
                    "status": status,
                    "sop_instance_uid": sop_uid,
                    "key": key,
                    "reason": reason,
                    "message": message,
                    "warnings": warnings or [],
                }
            )
