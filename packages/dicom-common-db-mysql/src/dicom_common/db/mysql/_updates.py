"""Changing many rows by one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Dialect, Table

from dicom_common.db.sql import Row, Session

__all__ = ["update_rows"]

_MOST = 256
"""Rows that one statement changes."""


def update_rows(
    dialect: Dialect, table: Table, names: Sequence[str], *, plus: bool
) -> Callable[[Session, Sequence[Row]], None]:
    """Return what sets the named columns of rows, or with `plus` adds to them; the first value is the row's key.

    The rows are joined to the new values as a table, which is the one way that MySQL and MariaDB have in common:
    neither has UPDATE ... FROM, and INSERT ... ON DUPLICATE KEY UPDATE asks for all columns.
    """
    quoted = dialect.identifier_preparer.quote
    own = quoted(table.name)
    first = ", ".join(["%s AS new_key", *(f"%s AS new_{at}" for at in range(len(names)))])
    other = ", ".join(["%s"] * (1 + len(names)))
    changes = ", ".join(
        f"{own}.{quoted(name)} = " + (f"{own}.{quoted(name)} + new_{at}" if plus else f"new_{at}")
        for at, name in enumerate(names)
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
