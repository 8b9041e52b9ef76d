"""How much of what arrives is held in memory before it is stored: of all front ends of a process together."""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["HELD", "MOST_HELD", "HeldBytes"]

MOST_HELD: Final = 2 * 1024 * 1024
"""Bytes of an instance that are held; a larger one goes into the storage while it arrives."""


class HeldBytes:
    """Counts the bytes that are held. Thread-safe.

    Args:
        most: beyond it, only small instances are held, or the beginning of one.
    """

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self.most, self.size = most, 0

    def add(self, size: int) -> None:
        """Count more bytes, or with a number below 0 fewer."""
        with self._lock:
            self.size += size

    @property
    def is_crowded(self) -> bool:
        """Whether more is held than should be."""
        return self.size > self.most


HELD = HeldBytes(128 * 1024 * 1024)
"""Those of this process."""
