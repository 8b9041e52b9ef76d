"""Which request gets which fault."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from dataclasses import dataclass

from dicom_common.testing._faults._http_relay import Head
from dicom_common.testing._faults._kinds import Fault

__all__ = ["Rule", "Rules"]


@dataclass(kw_only=True)
class Rule:
    """Faults, and the requests that get one of them."""

    faults: tuple[Fault, ...]
    method: str | None
    target: re.Pattern[str]
    skip: int
    times: int | None
    rate: float

    def draw(self, head: Head, chance: random.Random) -> Fault | None:
        """Return the fault of a request, or None."""
        if self.times == 0 or self.method not in (None, head.method) or not self.target.search(head.target):
            return None
        if self.skip:
            self.skip -= 1
            return None
        if chance.random() >= self.rate:
            return None
        if self.times is not None:
            self.times -= 1
        return chance.choice(self.faults)


class Rules:
    """All rules of a proxy, and what they did."""

    def __init__(self, seed: int) -> None:
        self.injected: Counter[Fault] = Counter()
        self.requests = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        self._rules: list[Rule] = []
        self._chance = random.Random(seed)
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> None:
        """Put a rule behind those that are there."""
        with self._lock:
            self._rules.append(rule)

    def clear(self) -> None:
        """Forget all rules; the counts stay."""
        with self._lock:
            self._rules.clear()

    def begin(self, head: Head) -> Fault | None:
        """Count a request that arrived, and return what shall happen to it."""
        with self._lock:
            self.requests += 1
            self.in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
            fault = next(filter(None, (rule.draw(head, self._chance) for rule in self._rules)), None)
            if fault is not None:
                self.injected[fault] += 1
            return fault

    def end(self) -> None:
        """Count a request that is over."""
        with self._lock:
            self.in_flight -= 1

    def reset_counts(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.injected = Counter()
            self.requests = 0
            self.peak_in_flight = self.in_flight
