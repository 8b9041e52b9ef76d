"""A server that a contract kills."""

from __future__ import annotations

from typing import Protocol

__all__ = ["KilledServer"]


class KilledServer(Protocol):
    """A server of the test's own."""

    def kill(self) -> None:
        """Kill it at once, with SIGKILL."""
        ...

    def start(self) -> None:
        """Start it again at the same place, with what it had on disk, and wait until it takes work."""
        ...
