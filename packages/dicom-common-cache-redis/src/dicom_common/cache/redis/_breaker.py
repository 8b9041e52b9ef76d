"""A server that fails is left alone for a while, so that its time limits do not add up in every request."""

from __future__ import annotations

import threading
import time

__all__ = ["Breaker"]


class Breaker:
    """Counts failures in a row.

    Args:
        failures: after this many, the server is not asked until the pause is over.
        pause: seconds; when they are over one caller tries, and the others wait for how that ends.
    """

    def __init__(self, failures: int, pause: float) -> None:
        self._limit, self._pause = failures, pause
        self._lock = threading.Lock()
        self._failed = 0
        self._until = 0.0

    def lets_pass(self) -> bool:
        """Tell whether to ask the server now."""
        if self._failed < self._limit:  # read without the lock: the way of every call while all is well
            return True
        with self._lock:
            now = time.monotonic()
            if self._failed < self._limit:
                return True
            if now < self._until:
                return False
            self._until = now + self._pause  # this caller tries; the others go on without
            return True

    def succeeded(self) -> None:
        """Note that the server answered."""
        if self._failed:
            with self._lock:
                self._failed = 0

    def failed(self) -> bool:
        """Note that it did not; True where it is left alone from now on."""
        with self._lock:
            self._failed += 1
            self._until = time.monotonic() + self._pause
            return self._failed == self._limit

    @property
    def open(self) -> bool:
        """Whether the server is being left alone."""
        return self._failed >= self._limit and time.monotonic() < self._until
