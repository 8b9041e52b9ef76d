"""Transactions that are begun again where they failed for a reason that passes: a base of `SqlDatabase`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from dicom_common.core import UnavailableError
from dicom_common.db.sql._dialect import GoneError, PassingError, SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.toolkit import Backoff

__all__ = ["Transactions"]

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.04, 3.0
"""Seconds between two attempts at a transaction, at most."""


class Transactions:
    """Runs work in transactions of a database."""

    _dialect: SqlDialect

    def _write(self, work: Callable[[Session], T]) -> T:
        """Run a transaction, again where it failed for a reason that passes."""
        begun = time.monotonic()
        try:
            with self._dialect.writing() as session:
                return work(session)
        except PassingError as error:
            failure = error
        # Without a server an attempt may take as long as a time limit of the driver; a lost race takes no time.
        left = self._dialect.retry_timeout - (time.monotonic() - begun)
        gone = Backoff(time_limit=left, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        lost = Backoff(attempts=self._dialect.attempts, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        while (gone if isinstance(failure, GoneError) else lost).wait():
            try:
                with self._dialect.writing() as session:
                    return work(session)
            except PassingError as error:
                failure = error
        raise UnavailableError(str(failure)) from failure

    def _read(self, work: Callable[[Session], T]) -> T:
        """Read; once more at once where the connection turned out to be dead: who asks a question waits for it."""
        give_up = time.monotonic() + self._dialect.retry_timeout
        try:
            with self._dialect.reading() as session:
                return work(session)
        except PassingError as dead:
            if time.monotonic() >= give_up:  # a time limit is over, and the next one would be as long
                raise UnavailableError(str(dead)) from dead
            try:
                with self._dialect.reading() as session:
                    return work(session)
            except PassingError as error:
                raise UnavailableError(str(error)) from error

    def _alone(self, work: Callable[..., T], session: Session) -> T:
        """Do a part of a transaction with the exclusive guard."""
        self._dialect.guard(session, exclusive=True)
        return work(session)
