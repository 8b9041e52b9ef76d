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
from rows import show
from sql_rounds import TABLES, Product, Rows, Writer, bench_add, bench_find

from dicom_common.db.postgres import PostgresDatabase, Settings

_CONFLICT = {
    "series_class": "series_fk, sop_class_uid",
    "request_item": "series_fk, position",
    "study_modality": "study_fk, modality",
}


def _bare(settings: Settings) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=settings.host, port=settings.port, dbname=settings.database, user=settings.user, autocommit=True
    )


class _Copy(Writer):
    """COPY into the tables, or into temporary ones, and from there INSERT ... ON CONFLICT."""

    def __init__(self, settings: Settings, *, upsert: bool) -> None:
        self.connection, self._upsert = _bare(settings), upsert
        self._types, self._set = dict[str, list[int]](), dict[str, str]()
        for table, key in TABLES.items():
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


class _Postgres(Product):
    name, driver, find_target = "PostgreSQL", "psycopg", 1.5

    def __init__(self, server: Settings) -> None:
        self._server = server

    @contextmanager
    def places(self, count: int) -> Iterator[Sequence[Settings]]:
        server = self._server
        names = [f"bench_{uuid.uuid4().hex[:12]}" for _ in range(count)]
        with closing(_bare(server)) as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            try:
                yield [Settings(host=server.host, port=server.port, user=server.user, database=name) for name in names]
            finally:
                for name in names:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def open(self, place: Settings) -> PostgresDatabase:
        return PostgresDatabase(place)

    def bare(self, place: Settings) -> psycopg.Connection[Any]:
        return _bare(place)

    def ask(self, connection: psycopg.Connection[Any], text: str, bound: Any) -> Sequence[Any]:
        return psycopg.RawCursor(connection).execute(text, bound).fetchall()

    def select(self, connection: psycopg.Connection[Any], text: str, *values: int) -> list[Any]:
        return connection.execute(text.replace("?", "%s"), values).fetchall()

    def writers(self) -> list[Any]:
        return [
            ("COPY and upsert", partial(_Copy, upsert=True), 0.5),
            ("COPY alone", partial(_Copy, upsert=False), None),
        ]

    def analyze(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("ANALYZE")


def run() -> list[dict[str, Any]]:
    """Measure everything; nothing where there is no server."""
    host, _, port = os.environ.get("DICOM_COMMON_TEST_POSTGRES", "").rpartition(":")
    if not host:
        print("bench_db_postgres: set DICOM_COMMON_TEST_POSTGRES=host:port, see tools/services.py", file=sys.stderr)
        return []
    product = _Postgres(Settings(host=host, port=int(port), database="postgres", user="postgres"))
    return [*bench_add(product), *bench_find(product)]


if __name__ == "__main__":
    show(run())
