"""Surrogate keys without sequences, which MySQL has not: a process reserves blocks of them and gives them out.

A block is reserved on a connection of its own, at once and for good. In the transaction that needs the keys, the row of
the counter would be locked until that ends, and all writers would wait for each other. What a process has reserved and
not used when it ends is lost; there are 2**63 keys.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from dicom_common.db.sql import Session

__all__ = ["KeyBlocks"]

_LEAST = 256
_AHEAD = 8
"""How many times what is asked for is reserved: each reservation waits for the server's disk."""


class KeyBlocks:
    """The keys that this process may give out.

    Args:
        lend: lends a connection outside of any transaction.
    """

    def __init__(self, lend: Callable[[], AbstractContextManager[Session]]) -> None:
        self._lend = lend
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._blocks: dict[str, range] = {}

    def take(self, table: str, count: int) -> Sequence[int]:
        """Return keys of a table, in ascending order."""
        if self._process != os.getpid():
            self._begin()  # after a fork: what was reserved is the parent's
        with self._lock:
            left = self._blocks.get(table, range(0))
            if len(left) >= count:
                self._blocks[table] = left[count:]
                return left[:count]
            missing = count - len(left)
            block = self._reserve(table, max(missing * _AHEAD, _LEAST))
            self._blocks[table] = block[missing:]
            return [*left, *block[:missing]]

    def _reserve(self, table: str, count: int) -> range:
        with self._lend() as session:
            taken = (count, table)
            while not session.run("UPDATE key_block SET last = LAST_INSERT_ID(last + %s) WHERE name = %s", taken):
                # Also where the counter is lost and the rows are not: a dump that was put back in part.
                session.run(
                    f"INSERT IGNORE INTO key_block (name, last) SELECT %s, coalesce(max(pk), 0) FROM {table}",  # noqa: S608 - a table of ours
                    (table,),
                )
            ((last,),) = session.rows("SELECT LAST_INSERT_ID()", ())
        return range(last - count + 1, last + 1)
