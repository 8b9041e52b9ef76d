"""Trying again: the one place where it is done, so that nothing multiplies."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dicom_common.core import UnavailableError
from dicom_common.storage.object._client import BusyError, DoubtfulError

__all__ = ["Retry"]

T = TypeVar("T")
_DOUBTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and for how long, a request is made again.

    Exponential back-off with full jitter: each wait is a random part of a limit that doubles, so that many writers that
    were turned away together do not come back together.
    """

    attempts: int
    deadline: float
    """In seconds from the first attempt on; no attempt begins later."""
    first: float = 0.1
    longest: float = 10.0
    """The limits of the first wait and of all waits, in seconds."""

    def call(self, request: Callable[[], T]) -> T:
        """Make a request until it is answered.

        Raises:
            UnavailableError: the last answer, where time or attempts are used up.
            DoubtfulError: the third such answer. All other errors pass at once.
        """
        give_up = time.monotonic() + self.deadline
        doubts = 0
        for attempt in range(self.attempts - 1):
            try:
                return request()
            except (UnavailableError, DoubtfulError) as error:
                doubts += isinstance(error, DoubtfulError)
                if doubts > _DOUBTS:
                    raise
                wait = self._wait(attempt)
                if isinstance(error, BusyError) and error.retry_after is not None:
                    wait += error.retry_after
                if time.monotonic() + wait >= give_up:
                    raise
            time.sleep(wait)
        return request()

    def pause(self, failures: int) -> None:
        """Wait as before the next attempt, for callers that count for themselves."""
        time.sleep(self._wait(failures - 1))

    def _wait(self, failures: int) -> float:
        return random.uniform(0, min(self.longest, self.first * 2**failures))  # noqa: S311 - no secret is made of it
