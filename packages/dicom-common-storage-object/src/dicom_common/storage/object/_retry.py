"""Trying a request again: the one place where it is done, so that nothing multiplies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dicom_common.core import UnavailableError
from dicom_common.storage.object._client import BusyError, DoubtfulError
from dicom_common.toolkit import Backoff

__all__ = ["Retry"]

T = TypeVar("T")
_DOUBTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and for how long, a request is made again."""

    attempts: int
    deadline: float
    """In seconds from the first attempt on; no attempt begins later."""

    def call(self, request: Callable[[], T]) -> T:
        """Make a request until it is answered.

        Raises:
            UnavailableError: the last answer, where time or attempts are used up.
            DoubtfulError: the third such answer. All other errors pass at once.
        """
        backoff, doubts = Backoff(time_limit=self.deadline, attempts=self.attempts), 0
        while True:
            try:
                return request()
            except (UnavailableError, DoubtfulError) as error:
                doubts += isinstance(error, DoubtfulError)
                asked = error.retry_after if isinstance(error, BusyError) else None
                if doubts > _DOUBTS or not backoff.wait(at_least=asked or 0.0):
                    raise
