"""How close the index on MySQL or MariaDB comes to bare mysqlclient: ratios within one run, the two taking turns."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import MySQLdb
from ct_batches import BATCH, FINDS, QUERIES, entries, fill, said_by, timed
from MySQLdb.cursors import Cursor
from rows import row, show

from dicom_common.core import Entry, Query
from dicom_common.db.mysql import MysqlDatabase, Settings

BATCHES, ROUNDS = 6, 5
_TABLES = {
    "tenant": "pk", "patient": "pk", "study": "pk", "series": "pk", "instance": "pk", "instance_json": "instance_fk",
    "series_class": "series_fk", "request_item": "series_fk",
}  # fmt: skip
Rows = dict[str, list[tuple[Any, ...]]]


class _LargeStatements(Cursor):  # type: ignore[misc]  # the driver has no types
    max_stmt_length = 1024 * 1024  # the driver's own 64 KB are a third slower


def _bare(settings: Settings) -> MySQLdb.Connection:
    return MySQLdb.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        database=settings.database,
        charset="utf8mb4",
        binary_prefix=True,
        autocommit=True,
        ssl_mode="DISABLED",
    )


@contextmanager
def _databases(server: Settings, count: int) -> Iterator[list[Settings]]:
    names = [f"bench_{uuid.uuid4().hex[:12]}" for _ in range(count)]
    with closing(_bare(server)) as connection:
        for name in names:
            connection.query(f"CREATE DATABASE {name}")
        try:
            yield [Settings(host=server.host, port=server.port, user=server.user, database=name) for name in names]
        finally:
            for name in names:
                connection.query(f"DROP DATABASE {name}")


class _Bare:
    """What somebody writes who knows the rows: `executemany` of multi-row statements, as an upsert or without."""

    def __init__(self, settings: Settings, *, upsert: bool) -> None:
        self.connection = _bare(settings)
        self._texts: dict[str, str] = {}
        for table in _TABLES:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {table} LIMIT 0")
                names = [f"`{column[0]}`" for column in cursor.description]
            text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
            if upsert:
                text += f" ON DUPLICATE KEY UPDATE {', '.join(f'{name} = VALUES({name})' for name in names)}"
            self._texts[table] = text

    def write(self, rows: Rows) -> None:
        self.connection.begin()
        with self.connection.cursor(_LargeStatements) as cursor:
            for table, some in rows.items():
                cursor.executemany(self._texts[table], some)
        self.connection.commit()


def _rows_by_batch(settings: Settings, batches: Sequence[Sequence[Entry]]) -> list[Rows]:
    """Add batches, and read back after each what it has written: what the bare driver is going to write."""
    made = []
    with closing(MysqlDatabase(settings)) as database, closing(_bare(settings)) as bare, bare.cursor() as cursor:
        last = dict.fromkeys(_TABLES, 0)
        for batch in batches:
            database.add(batch)
            some = {}
            for table, key in _TABLES.items():
                cursor.execute(f"SELECT * FROM {table} WHERE {key} > %s", (last[table],))
                some[table] = list(cursor.fetchall())
                cursor.execute(f"SELECT coalesce(max({key}), 0) FROM {table}")
                ((last[table],),) = cursor.fetchall()
            made.append({table: rows for table, rows in some.items() if rows})
    return made


def bench_add(server: Settings) -> list[dict[str, Any]]:
    """Batches of 1,000 instances against the very same rows into the same tables, by an upsert and by plain inserts."""
    batches = [entries(batch) for batch in range(BATCHES)]
    with _databases(server, 1) as (model,):
        rows = _rows_by_batch(model, batches)
    assert sum(len(some["instance"]) for some in rows) == BATCH * BATCHES
    by_upsert, by_insert = [], []
    for _ in range(ROUNDS):
        with _databases(server, 3) as (for_ours, for_upsert, for_insert):
            for settings in (for_upsert, for_insert):
                MysqlDatabase(settings).close()
            upsert, insert = _Bare(for_upsert, upsert=True), _Bare(for_insert, upsert=False)
            with closing(MysqlDatabase(for_ours)) as ours, closing(upsert.connection), closing(insert.connection):
                took_ours = took_upsert = took_insert = 0.0
                for batch, some in zip(batches, rows, strict=True):
                    took_upsert += timed(partial(upsert.write, some))
                    took_ours += timed(partial(ours.add, batch))
                    took_insert += timed(partial(insert.write, some))
        by_upsert.append(took_upsert / took_ours)
        by_insert.append(took_insert / took_ours)
    name = "index on MySQL, add of 1,000 a batch: rate of bare"
    return [
        row(f"{name} multi-row upsert", by_upsert, 0.5, unit="of its rate"),
        row(f"{name} multi-row insert", by_insert, None, unit="of its rate"),
    ]


def bench_find(server: Settings) -> list[dict[str, Any]]:
    """Searches of the first page, against the same statements on the bare driver."""
    results = []
    with (
        _databases(server, 1) as (settings,),
        closing(MysqlDatabase(settings)) as database,
        closing(_bare(settings)) as bare,
    ):
        fill(database)
        with bare.cursor() as cursor:
            cursor.execute("ANALYZE TABLE patient, study, series, instance")
        for name, keys in QUERIES.items():
            query, said = said_by(database, keys)
            on_bare, on_ours = partial(_ask_bare, bare, said), partial(_ask, database, query)
            ratios = [timed(on_ours) / timed(on_bare) for _ in range(3 * ROUNDS)]
            results.append(
                row(
                    f"index on MySQL, find by {name}: time of bare mysqlclient", ratios, 1.5, better="lower",
                    unit="of its time",
                )
            )  # fmt: skip
    return results


def _ask(database: MysqlDatabase, query: Query) -> None:
    for _ in range(FINDS):
        database.find(query)


def _ask_bare(connection: MySQLdb.Connection, said: Sequence[tuple[str, Any]]) -> None:
    for _ in range(FINDS):
        for text, parameters in said:
            with connection.cursor() as cursor:
                cursor.execute(text, parameters)
                cursor.fetchall()


def run() -> list[dict[str, Any]]:
    """Measure everything; nothing where there is no server."""
    host, _, port = os.environ.get("DICOM_COMMON_TEST_MYSQL", "").rpartition(":")
    if not host:
        print("bench_db_mysql: set DICOM_COMMON_TEST_MYSQL=host:port, see tools/services.py", file=sys.stderr)
        return []
    server = Settings(host=host, port=int(port), database="mysql", user="root")
    return [*bench_add(server), *bench_find(server)]


if __name__ == "__main__":
    show(run())
