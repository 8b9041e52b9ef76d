"""Associations to destinations that stay open for a while after a C-MOVE: the next one needs no negotiation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from dicom_common.dimse._requesting import Destination, Outgoing, Proposal

__all__ = ["KeptAssociations"]

_MOST_KEPT = 4
"""Associations to one destination that are kept: a destination may take but few at once."""


class KeptAssociations:
    """The idle associations of one process. Thread-safe.

    Args:
        keep_seconds: for which one is kept; 0: none is.
    """

    def __init__(self, keep_seconds: float) -> None:
        self._keep_seconds = keep_seconds
        self._idle: dict[tuple[Destination, str], list[tuple[frozenset[Proposal], Outgoing]]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(
        self, destination: Destination, calling: str, proposals: Iterable[Proposal], open_one: Callable[[], Outgoing]
    ) -> tuple[Outgoing, bool]:
        """Return an association on which the contexts were proposed, and whether it was kept.

        Raises:
            UnavailableError: there was none, and none can be opened.
        """
        wanted = frozenset(proposals)
        while True:
            with self._changed:
                idle = self._idle.get((destination, calling), [])
                at = next((at for at, (proposed, _) in enumerate(idle) if wanted <= proposed), None)
                if at is None:
                    # Those that do not fit would only take the place of the new one.
                    unfit = self._idle.pop((destination, calling), [])
                    break
                _, kept = idle.pop(at)
            if not kept.has_ended():
                return kept, True
            kept.abort()
        for _, kept in unfit:
            kept.release()
        return open_one(), False

    def give_back(
        self, destination: Destination, calling: str, proposals: Iterable[Proposal], association: Outgoing
    ) -> None:
        """Keep an association; it is released when its time is over."""
        with self._changed:
            idle = self._idle.setdefault((destination, calling), [])
            if self._keep_seconds and not self._closed and len(idle) < _MOST_KEPT:
                association.last_used = time.monotonic()
                idle.append((frozenset(proposals), association))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="kept-associations", daemon=True)
                    self._thread.start()
                return
        association.release()

    def close(self) -> None:
        """Release all."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            everything = [kept for idle in self._idle.values() for _, kept in idle]
            self._idle.clear()
        for kept in everything:
            kept.release()

    def _run(self) -> None:
        is_over = False
        while not is_over:
            with self._changed:
                self._changed.wait(min(1.0, self._keep_seconds))
                over = self._over()
                is_over = self._closed or not self._idle
                if is_over:
                    self._thread = None
            for kept in over:
                kept.release()

    def _over(self) -> list[Outgoing]:
        """Take out what is kept for long enough, or was ended by its peer."""
        oldest = time.monotonic() - self._keep_seconds
        over = []
        for key, idle in list(self._idle.items()):
            ended = [one for one in idle if one[1].last_used <= oldest or one[1].has_ended()]
            over += [kept for _, kept in ended]
            self._idle[key] = [one for one in idle if one not in ended]
            if not self._idle[key]:
                del self._idle[key]
        return over
