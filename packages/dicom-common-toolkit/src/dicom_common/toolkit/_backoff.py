"""Waiting before another attempt: the one backoff of all plugins."""

from __future__ import annotations

import random
import time

__all__ = ["Backoff"]


class Backoff:
    """The waits between the attempts of one call: exponential, with full jitter.

    Each wait is a random part of a limit that doubles, so that many callers that failed together do not come back
    together.

        backoff = Backoff(time_limit=10.0)
        while True:
            try:
                return work()
            except UnavailableError:
                if not backoff.wait():
                    raise

    Args:
        time_limit: seconds from now on; no attempt begins later. None: no limit.
        attempts: how many attempts there are at most, the first one included. None: no limit.
        first: the limit of the first wait, in seconds.
        longest: the limit of every wait, in seconds.
    """

    def __init__(
        self,
        *,
        time_limit: float | None = None,
        attempts: int | None = None,
        first: float = 0.1,
        longest: float = 10.0,
    ) -> None:
        self._end = float("inf") if time_limit is None else time.monotonic() + time_limit
        self._attempts = float("inf") if attempts is None else attempts
        self._first, self._limit, self._longest = first, first, longest
        self._begun = 1

    def wait(self, *, at_least: float = 0.0) -> bool:
        """Wait before the next attempt; False, at once, where no attempt is left.

        Args:
            at_least: seconds that a server asked for; the random part comes on top.
        """
        pause = at_least + random.uniform(0, min(self._limit, self._longest))  # noqa: S311 - no secret is made of it
        if self._begun >= self._attempts or time.monotonic() + pause >= self._end:
            return False
        self._begun += 1
        self._limit = min(self._limit * 2, self._longest)
        time.sleep(pause)
        return True

    def restart(self) -> None:
        """Count from the beginning: the last attempt got ahead. The time limit stays."""
        self._begun, self._limit = 1, self._first
