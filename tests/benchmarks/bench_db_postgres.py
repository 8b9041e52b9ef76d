"""How close the index on PostgreSQL comes to bare psycopg: ratios within one run, the two taking turns."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import psycopg
from ct_batches import BATCH, FINDS, QUERIES, entries, fill, said_by, timed
from rows import row, show

from dicom_common.core import Entry, Query
from dicom_common.db.postgres import PostgresDatabase, Settings

BATCHES, ROUNDS = 6, 5
_TABLES = {
    "tenant": "pk", "patient": "pk", "study": "pk", "series": "pk", "instance": "pk", "instance_json": "instance_fk",
    "series_class": "series_fk", "request_item": "series_fk",
}  # fmt: skip
_CONFLICT = {"series_class": "series_fk, sop_class_uid", "request_item": "series_fk, position"}
Rows = dict[str, list[tuple[Any, ...]]]


def _bare(settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=settings.host, port=settings.port, dbname=settings.database, user=settings.user, autocommit=True
    )


@contextmanager
def _databases(server: Settings, count: int) -> Iterator[list[Settings]]:
    names = [f"bench_{uuid.uuid4().hex[:12]}" for _ in range(count)]
    with closing(_bare(server)) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield [Settings(host=server.host, port=server.port, user=server.user, database=name) for name in names]
        finally:
            for name in names:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class _Bare:
    """What somebody writes who knows the rows: COPY into temporary tables, and from there INSERT ... ON CONFLICT."""

    def __init__(self, settings: Settings, *, upsert: bool) -> None:
        self.connection, self._upsert = _bare(settings), upsert
        self._types, self._set = dict[str, list[int]](), dict[str, str]()
        for table, key in _TABLES.items():
            described = self.connection.execute(f"SELECT * FROM {table} LIMIT 0").description or []
            self._types[table] = [column.type_code for column in described]
            keys = _CONFLICT.get(table, key)
            names = [column.name for column in described if column.name not in keys.split(", ")]
            change = f"UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}" if names else "NOTHING"
            self._set[table] = f"ON CONFLICT ({keys}) DO {change}"
            if upsert:
                self.connection.execute(f"CREATE TEMP TABLE new_{table} (LIKE {table}) ON COMMIT DELETE ROWS")

    def write(self, rows: Rows) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            for table, some in rows.items():
                into = f"new_{table}" if self._upsert else table
                with cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(self._types[table])
                    for one in some:
                        copy.write_row(one)
                if self._upsert:
                    cursor.execute(f"INSERT INTO {table} SELECT * FROM new_{table} {self._set[table]}")


def _rows_by_batch(settings: Settings, batches: Sequence[Sequence[Entry]]) -> list[Rows]:
    """Add batches, and read back after each what it has written: what the bare driver is going to write."""
    made = []
    with closing(PostgresDatabase(settings)) as database, closing(_bare(settings)) as bare:
        last = dict.fromkeys(_TABLES, 0)
        for batch in batches:
            database.add(batch)
            some = {}
            for table, key in _TABLES.items():
                some[table] = bare.execute(f"SELECT * FROM {table} WHERE {key} > %s", (last[table],)).fetchall()
                ((end,),) = bare.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchall()
                last[table] = end
            made.append({table: rows for table, rows in some.items() if rows})
    return made


def bench_add(server: Settings) -> list[dict[str, Any]]:
    """Batches of 1,000 instances against the very same rows into the same tables, by COPY alone and with an upsert."""
    batches = [entries(batch) for batch in range(BATCHES)]
    with _databases(server, 1) as (model,):
        rows = _rows_by_batch(model, batches)
    assert sum(len(some["instance"]) for some in rows) == BATCH * BATCHES
    by_upsert, by_copy = [], []
    for _ in range(ROUNDS):
        with _databases(server, 3) as (for_ours, for_upsert, for_copy):
            for settings in (for_upsert, for_copy):
                PostgresDatabase(settings).close()
            upsert, copy = _Bare(for_upsert, upsert=True), _Bare(for_copy, upsert=False)
            with closing(PostgresDatabase(for_ours)) as ours, closing(upsert.connection), closing(copy.connection):
                took_ours = took_upsert = took_copy = 0.0
                for batch, some in zip(batches, rows, strict=True):
                    took_upsert += timed(partial(upsert.write, some))
                    took_ours += timed(partial(ours.add, batch))
                    took_copy += timed(partial(copy.write, some))
        by_upsert.append(took_upsert / took_ours)
        by_copy.append(took_copy / took_ours)
    name = "index on PostgreSQL, add of 1,000 a batch: rate of bare"
    return [
        row(f"{name} COPY and upsert", by_upsert, 0.5, unit="of its rate"),
        row(f"{name} COPY alone", by_copy, None, unit="of its rate"),
    ]


def bench_find(server: Settings) -> list[dict[str, Any]]:
    """Searches of the first page, against the same statements on the bare driver."""
    results = []
    with (
        _databases(server, 1) as (settings,),
        closing(PostgresDatabase(settings)) as database,
        closing(_bare(settings)) as bare,
    ):
        fill(database)
        bare.execute("ANALYZE")
        for name, keys in QUERIES.items():
            query, said = said_by(database, keys)
            on_bare, on_ours = partial(_ask_bare, bare, said), partial(_ask, database, query)
            on_bare(), on_ours()  # both have their statements prepared then
            ratios = [timed(on_ours) / timed(on_bare) for _ in range(3 * ROUNDS)]
            results.append(
                row(
                    f"index on PostgreSQL, find by {name}: time of bare psycopg", ratios, 1.5, better="lower",
                    unit="of its time",
                )
            )  # fmt: skip
    return results


def _ask(database: PostgresDatabase, query: Query) -> None:
    for _ in range(FINDS):
        database.find(query)


def _ask_bare(connection: psycopg.Connection[Any], said: Sequence[tuple[str, Any]]) -> None:
    cursor = psycopg.RawCursor(connection)
    for _ in range(FINDS):
        for text, parameters in said:
            cursor.execute(text, parameters).fetchall()


def run() -> list[dict[str, Any]]:
    """Measure everything; nothing where there is no server."""
    host, _, port = os.environ.get("DICOM_COMMON_TEST_POSTGRES", "").rpartition(":")
    if not host:
        print("bench_db_postgres: set DICOM_COMMON_TEST_POSTGRES=host:port, see tools/services.py", file=sys.stderr)
        return []
    server = Settings(host=host, port=int(port), database="postgres", user="postgres")
    return [*bench_add(server), *bench_find(server)]


if __name__ == "__main__":
    show(run())
