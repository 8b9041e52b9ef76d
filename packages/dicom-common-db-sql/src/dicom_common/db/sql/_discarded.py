"""The list of discarded keys: objects that no row refers to any more, and that somebody is going to delete."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator

from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["KEPT", "Discarded", "now"]

KEPT = 24 * 3600 * 1_000_000
"""Microseconds for which a key stays in the list after its object was deleted."""


def now() -> int:
    """Return the present moment as columns keep it: microseconds since 1970."""
    return time.time_ns() // 1000


class Discarded:
    """The statements about discarded keys, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._retired, self._referred = Lookup(dialect, "discarded.retired"), Lookup(dialect, "discarded.referred")
        self._forget, self._insert = Lookup(dialect, "discarded.forget"), dialect.inserter("discarded_key")
        self._open, self._old = Statement(dialect, "discarded.waiting"), Statement(dialect, "discarded.old")
        self._deleted = Lookup(dialect, "discarded.deleted")

    def retired(self, session: Session, keys: Iterable[str]) -> set[str]:
        """Return those of the keys that may not be used."""
        return {row[0] for row in self._retired.rows(session, keys, since=now() - KEPT)}

    def referred(self, session: Session, keys: Iterable[str]) -> Iterator[str]:
        """Return those of the keys that rows refer to, once for each row."""
        return (row[0] for row in self._referred.rows(session, keys))

    def enter(self, session: Session, keys: Collection[str]) -> None:
        """Enter keys that no row refers to; one that is there already is to be deleted once more."""
        if not keys:
            return
        self._forget.run(session, keys)
        moment = now()
        self._insert(session, [(key, moment, None) for key in sorted(keys)])

    def open(self, session: Session, limit: int) -> list[str]:
        """Return keys whose objects are still to be deleted, the oldest first."""
        return [row[0] for row in self._open.rows(session, {"limit": limit})]

    def deleted(self, session: Session, keys: Iterable[str]) -> None:
        """Note that objects are gone, and forget those that have been so for long."""
        self._deleted.run(session, keys, now=now())
        self._old.run(session, {"since": now() - KEPT})
