"""Making a request again: the one loop of all backends, so that nothing multiplies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.toolkit._backoff import Backoff

__all__ = ["BusyError", "DoubtfulError", "Retry"]

T = TypeVar("T")
_DOUBTS = 2


class BusyError(UnavailableError):
    """The server asks to be left alone for a while (429, 503 with Retry-After).

    `retry_after` is what it asked for, in seconds, or None where it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[BusyError], tuple[str, float | None]]:
        # Exceptions are pickled by their `args`; this one has more than its message.
        return type(self), (str(self), self.retry_after)


class DoubtfulError(RefusedError):
    """A refusal that the server is known to give by mistake, too: it is asked twice more before it is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and for how long, a request is made again."""

    attempts: int
    deadline: float
    """In seconds from the first attempt on; no attempt begins later."""

    def call(self, request: Callable[[], T]) -> T:
        """Make a request until it is answered. It must bear being made twice: an answer may have been lost.

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
