"""Transactions that are begun again where they failed for a reason that passes: a base of `SqlDatabase`."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from typing import TypeVar

from dicom_common.core import UnavailableError
from dicom_common.db.sql._flavour import Flavour, GoneError, PassingError
from dicom_common.db.sql._session import Session

__all__ = ["Transactions"]

T = TypeVar("T")
_LONGEST_PAUSE = 2.0
"""Seconds between two attempts at a transaction, at most (and half as much again: they are spread)."""


class Transactions:
    """Runs work in transactions of a database."""

    _flavour: Flavour

    def _write(self, work: Callable[[Session], T]) -> T:
        """Run a transaction, again where it failed for a reason that passes."""
        give_up = time.monotonic() + self._flavour.patience
        for attempt in itertools.count(1):
            try:
                with self._flavour.writing() as session:
                    return work(session)
            except PassingError as error:
                # Without a server an attempt may take as long as a time limit of the driver; a lost race takes no time.
                is_last = (
                    time.monotonic() >= give_up if isinstance(error, GoneError) else attempt >= self._flavour.attempts
                )
                if is_last:
                    raise UnavailableError(str(error)) from error
                pause = min(0.01 * 2 ** min(attempt, 8), _LONGEST_PAUSE)
                time.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311 - spreads retries, no secret
        raise AssertionError

    def _read(self, work: Callable[[Session], T]) -> T:
        """Read; once more at once where the connection turned out to be dead: who asks a question waits for it."""
        give_up = time.monotonic() + self._flavour.patience
        try:
            with self._flavour.reading() as session:
                return work(session)
        except PassingError as dead:
            if time.monotonic() >= give_up:  # a time limit is over, and the next one would be as long
                raise UnavailableError(str(dead)) from dead
            try:
                with self._flavour.reading() as session:
                    return work(session)
            except PassingError as error:
                raise UnavailableError(str(error)) from error
