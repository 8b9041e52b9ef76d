"""What PostgreSQL does in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Double, LargeBinary, SmallInteger, String, text

from dicom_common.core import Health
from dicom_common.db.postgres._driver import PostgresSession
from dicom_common.db.postgres._expressions import PostgresExpressions
from dicom_common.db.postgres._health import health
from dicom_common.db.sql import InsertRows, Row, SchemaTraits, Session, Texts, UpdateRows
from dicom_common.db.sql.expressions import metadata
from dicom_common.db.sql.server import Pool, ServerDialect

__all__ = ["PostgresDialect"]

_GUARD = 0x6469636F6D0002
_ANALYZED = 1024
"""The number of instances from which on the tables are analyzed whenever it has doubled."""
_ANALYZE = "ANALYZE patient, study, series, instance, series_class, study_modality, request_item, discarded_key"
_COMPRESSION = """DO $$ BEGIN
 EXECUTE 'ALTER TABLE instance_json ALTER COLUMN metadata SET COMPRESSION lz4';
EXCEPTION WHEN OTHERS THEN NULL; END $$"""
"""PostgreSQL's own compression takes three times as long for a batch of DICOM JSON as all else that is done with it,
and saves a fifth. A server without LZ4 (before 14, or built without it) keeps its own."""
_COPIED = 4
"""Rows from which COPY is faster than INSERT."""
_ESCAPED = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "*": "%", "?": "_"})
_TYPES: tuple[tuple[type[Any], str], ...] = (
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Double, "float8"),
    (String, "text"),
    (LargeBinary, "bytea"),
)


def _make_own(connection: Connection) -> None:
    """Make the sequences of the keys, and set the compression of the metadata; see `SchemaTraits.make_own`."""
    for name in ("tenant", "patient", "study", "series", "instance"):
        connection.execute(text(f"CREATE SEQUENCE IF NOT EXISTS {name}_keys OWNED BY {name}.pk"))
    connection.execute(text(_COMPRESSION))


class PostgresDialect(ServerDialect):
    """PostgreSQL: sequences for keys, advisory locks for guards, COPY for many rows."""

    takes_arrays = True
    schema = SchemaTraits(make_own=_make_own)

    def __init__(self, pool: Pool, *, retry_timeout: float) -> None:
        super().__init__(pool, retry_timeout=retry_timeout)
        self.texts = Texts(PostgresExpressions)

    def has_table(self, session: Session, name: str) -> bool:
        """See `SqlDialect.has_table`."""
        return session.rows("SELECT to_regclass($1)", (name,))[0][0] is not None

    def allocate(self, session: Session, table: str, count: int) -> Sequence[int]:
        """See `SqlDialect.allocate`.

        Where the number of instances has doubled, the tables are analyzed. The server does that by itself, but only
        once a minute, and a bulk load of a new index is at a hundred thousand by then: without statistics, the planner
        takes the tenant for a good beginning and reads whole tables to look a batch up, each time longer. A key is
        given once, so one of all transactions does it.
        """
        statement = f"SELECT nextval('{table}_keys') FROM generate_series(1, $1)"  # noqa: S608 - a table of ours
        keys = [row[0] for row in session.rows(statement, (count,))]
        if table == "instance" and any(key >= _ANALYZED and not key & (key - 1) for key in keys):
            session.run(_ANALYZE, ())
        return keys

    def guard(self, session: Session, *, exclusive: bool) -> None:
        """See `SqlDialect.guard`. An advisory lock is in memory only; a row's would write to the disk each time."""
        session.rows(f"SELECT pg_advisory_xact_lock{'' if exclusive else '_shared'}($1)", (_GUARD,))

    def inserter(self, table: str, names: Sequence[str] = ()) -> InsertRows:
        """See `SqlDialect.inserter`.

        Straight into the table, not into a temporary one and from there by INSERT ... ON CONFLICT: what `add` inserts
        is known to be new, under the locks that it holds. Where it is not after all, another transaction was quicker,
        and what was decided about the whole batch has to be decided anew, so that ON CONFLICT would be of no use.
        """
        own = metadata.tables[table].columns
        columns = [own[name] for name in names or own.keys()]
        listed = ", ".join(column.name for column in columns)
        copy = f"COPY {table} ({listed}) FROM STDIN (FORMAT BINARY)"
        types = [_type(column) for column in columns]
        insert = super().inserter(table, names)

        def run(session: Session, rows: Sequence[Row]) -> None:
            if len(rows) >= _COPIED and isinstance(session, PostgresSession):
                session.copy(copy, types, rows)
            else:
                insert(session, rows)

        return run

    def insert_new(self, table: str) -> InsertRows:
        """See `SqlDialect.insert_new`: one statement, with an array for each column."""
        columns = list(metadata.tables[table].columns)
        listed = ", ".join(column.name for column in columns)
        arrays = ", ".join(f"${n}::{_type(column)}[]" for n, column in enumerate(columns, 1))
        statement = f"INSERT INTO {table} ({listed}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608 - ours

        def run(session: Session, rows: Sequence[Row]) -> None:
            if rows:
                session.run(statement, [list(values) for values in zip(*rows, strict=True)])

        return run

    def updater(self, table: str, names: Sequence[str], *, plus: Sequence[str] = ()) -> UpdateRows:
        """See `SqlDialect.updater`: one statement, with an array for each column."""
        one, own = super().updater(table, names, plus=plus), metadata.tables[table].columns
        arrays = ", ".join(f"${n}::{_type(own[name])}[]" for n, name in enumerate(("pk", *names, *plus), 1))
        changes = ", ".join(
            [f"{name} = new.{name}" for name in names] + [f"{name} = {table}.{name} + new.{name}" for name in plus]
        )
        statement = (
            f"UPDATE {table} SET {changes} FROM unnest({arrays}) AS new ({', '.join(('pk', *names, *plus))})"  # noqa: S608 - ours
            f" WHERE {table}.pk = new.pk"
        )

        def run(session: Session, rows: Sequence[Row]) -> None:
            if len(rows) > 1:
                session.run(statement, [list(values) for values in zip(*rows, strict=True)])
            else:
                one(session, rows)

        return run

    def pattern(self, pattern: str) -> str:
        """See `SqlDialect.pattern`."""
        return pattern.translate(_ESCAPED)

    def many(self, texts: Sequence[str]) -> list[str]:
        """See `SqlDialect.many`: an array."""
        return list(texts)

    def health(self) -> Health:
        """See `Database.check`."""
        return health(self._pool)


def _type(column: ColumnElement[Any]) -> str:
    return next(name for kind, name in _TYPES if isinstance(column.type, kind))
