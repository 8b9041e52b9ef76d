"""What a command that calls a peer says of all instances together."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from dicom_common.cli import print_json, print_line

__all__ = ["Tally"]


@dataclass
class Tally:
    """What became of the instances so far."""

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _begin: float = field(default_factory=time.monotonic)

    def add(self, status: str, reason: str = "") -> None:
        """Count one."""
        self.statuses[status] += 1
        if reason:
            self.reasons[reason] += 1

    def summarise(self, *, as_json: bool) -> None:
        """Print the counts: the last line."""
        seconds = round(time.monotonic() - self._begin, 3)
        if as_json:
            print_json({"statuses": self.statuses, "reasons": self.reasons, "seconds": seconds})
            return
        line = ", ".join(f"{number} {status}" for status, number in sorted(self.statuses.items()))
        why = ", ".join(f"{number} {reason}" for reason, number in self.reasons.most_common())
        total = self.statuses.total()
        counted = f"{total} instance{'' if total == 1 else 's'}"
        print_line(f"{counted}: {line or 'nothing done'}{f' ({why})' if why else ''}; {seconds:.1f} s")
