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
from MySQLdb.cursors import Cursor
from rows import show
from sql_rounds import TABLES, Product, Rows, Writer, bench_add, bench_find

from dicom_common.db.mysql import MysqlDatabase, Settings


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


class _MultiRow(Writer):
    """`executemany` of multi-row statements, as an upsert or without."""

    def __init__(self, settings: Settings, *, upsert: bool) -> None:
        self.connection = _bare(settings)
        self._texts: dict[str, str] = {}
        for table in TABLES:
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


class _Mysql(Product):
    name, driver, find_target = "MySQL", "mysqlclient", 1.5

    def __init__(self, server: Settings) -> None:
        self._server = server

    @contextmanager
    def places(self, count: int) -> Iterator[Sequence[Settings]]:
        server = self._server
        names = [f"bench_{uuid.uuid4().hex[:12]}" for _ in range(count)]
        with closing(_bare(server)) as connection:
            for name in names:
                connection.query(f"CREATE DATABASE {name}")
            try:
                yield [Settings(host=server.host, port=server.port, user=server.user, database=name) for name in names]
            finally:
                for name in names:
                    connection.query(f"DROP DATABASE {name}")

    def open(self, place: Settings) -> MysqlDatabase:
        return MysqlDatabase(place)

    def bare(self, place: Settings) -> MySQLdb.Connection:
        return _bare(place)

    def ask(self, connection: MySQLdb.Connection, text: str, bound: Any) -> Sequence[Any]:
        with connection.cursor() as cursor:
            cursor.execute(text, bound)
            rows: Sequence[Any] = cursor.fetchall()
        return rows

    def select(self, connection: MySQLdb.Connection, text: str, *values: int) -> list[Any]:
        return list(self.ask(connection, text.replace("?", "%s"), values))

    def writers(self) -> list[Any]:
        upsert, insert = partial(_MultiRow, upsert=True), partial(_MultiRow, upsert=False)
        return [("multi-row upsert", upsert, 0.5), ("multi-row insert", insert, None)]

    def analyze(self, connection: MySQLdb.Connection) -> None:
        self.ask(connection, "ANALYZE TABLE patient, study, series, instance", ())


def run() -> list[dict[str, Any]]:
    """Measure everything; nothing where there is no server."""
    host, _, port = os.environ.get("DICOM_COMMON_TEST_MYSQL", "").rpartition(":")
    if not host:
        print("bench_db_mysql: set DICOM_COMMON_TEST_MYSQL=host:port, see tools/services.py", file=sys.stderr)
        return []
    product = _Mysql(Settings(host=host, port=int(port), database="mysql", user="root"))
    return [*bench_add(product), *bench_find(product)]


if __name__ == "__main__":
    show(run())
