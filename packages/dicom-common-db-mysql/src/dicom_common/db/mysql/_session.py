"""A connection that is lent, without the driver's cursors: they cost more than a near server takes to answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from MySQLdb import OperationalError
from MySQLdb.connections import Connection
from sqlalchemy import Dialect

from dicom_common.db.sql import Row, Session

__all__ = ["MysqlSession", "literal", "update_rows"]

_INSERT = re.compile(rb"(INSERT INTO .+ VALUES )(\([^()]*\))( ON DUPLICATE KEY UPDATE [^%]+)?", re.DOTALL)
_PIECE = 1024 * 1024
"""Bytes of one statement that inserts many rows. More is not faster, and every server takes this much by default."""


def literal(connection: Connection) -> Callable[[Any], bytes]:
    """Return what writes a value as SQL, escaped as the server's settings ask for."""
    quoted = connection.string_literal

    def write(value: Any) -> bytes:
        if value is None:
            return b"NULL"
        if isinstance(value, str):
            return quoted(value.encode("utf-8", "replace"))  # type: ignore[no-any-return]  # the driver has no types
        if isinstance(value, int):
            return b"%d" % value
        if isinstance(value, bytes):
            return b"_binary" + quoted(value)  # type: ignore[no-any-return]  # likewise
        # No column holds what is not finite, so nothing is equal to it: as with NULL.
        return repr(float(value)).encode() if math.isfinite(value) else b"NULL"

    return write


@lru_cache(1024)
def _encoded(text: str) -> bytes:
    return text.encode()


class MysqlSession:
    """A connection that is lent."""

    __slots__ = ("_literal", "raw")

    def __init__(self, raw: Connection) -> None:
        self.raw = raw
        self._literal = literal(raw)

    def rows(self, text: str, bound: Any) -> Sequence[Row]:
        """See `Session.rows`."""
        self.raw.query(_encoded(text) % tuple(map(self._literal, bound)))
        rows: Sequence[Row] = self.raw.store_result().fetch_row(0)
        return rows

    def run(self, text: str, bound: Any) -> int:
        """See `Session.run`; rows that were found count, changed or not."""
        return self._run(_encoded(text) % tuple(map(self._literal, bound)))

    def run_many(self, text: str, bound: Sequence[Any]) -> None:
        """See `Session.run_many`; rows to be inserted go many at a time."""
        encoded = _encoded(text)
        insert = _INSERT.fullmatch(encoded)
        if insert is None:
            for values in bound:
                self._run(encoded % tuple(map(self._literal, values)))
            return
        for statement in self._inserts(insert[1] % (), insert[2], bound):
            self._run(statement + (insert[3] or b""))

    def _inserts(self, beginning: bytes, row: bytes, bound: Sequence[Any]) -> Iterator[bytes]:
        write = self._literal
        pieces: list[bytes] = []
        size, most = 0, min(_PIECE, self.raw.longest // 2)
        for values in bound:
            piece = row % tuple([write(value) for value in values])
            if pieces and size + len(piece) > most:
                yield beginning + b",".join(pieces)
                pieces, size = [], 0
            pieces.append(piece)
            size += len(piece) + 1
        if pieces:
            yield beginning + b",".join(pieces)

    def _run(self, statement: bytes) -> int:
        if len(statement) >= self.raw.longest:  # the server would end the connection, and not say why
            raise OperationalError(1153, "the statement is too long")
        self.raw.query(statement)
        self.raw.store_result()
        return int(self.raw.affected_rows())


_MOST = 256
"""Rows that one statement changes."""


def update_rows(
    dialect: Dialect, table: str, names: Sequence[str], plus: Sequence[str]
) -> Callable[[Session, Sequence[Row]], None]:
    """Return what sets the named columns of rows, and adds to those of `plus`; the first value is the row's key.

    The rows are joined to the new values as a table, which is the one way that MySQL and MariaDB have in common:
    neither has UPDATE ... FROM, and INSERT ... ON DUPLICATE KEY UPDATE asks for all columns.
    """
    quoted = dialect.identifier_preparer.quote
    own = quoted(table)
    first = ", ".join(["%s AS new_key", *(f"%s AS new_{at}" for at in range(len(names) + len(plus)))])
    other = ", ".join(["%s"] * (1 + len(names) + len(plus)))
    changes = ", ".join(
        f"{own}.{quoted(name)} = " + (f"{own}.{quoted(name)} + new_{at}" if at >= len(names) else f"new_{at}")
        for at, name in enumerate((*names, *plus))
    )

    def run(session: Session, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _MOST):
            some = rows[start : start + _MOST]
            values = f"SELECT {first}" + f" UNION ALL SELECT {other}" * (len(some) - 1)
            session.run(
                f"UPDATE {own} JOIN ({values}) AS made ON {own}.pk = made.new_key SET {changes}",  # noqa: S608 - names of our own, values bound
                [value for row in some for value in row],
            )

    return run
