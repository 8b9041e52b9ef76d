"""How close the index on SQLite comes to bare sqlite3: ratios within one run, the two taking turns."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rows import show
from sql_rounds import Product, Rows, Writer, bench_add, bench_find

from dicom_common.db.sqlite import Settings, SqliteDatabase


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.executescript("PRAGMA synchronous=full; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536")
    return connection


class _ExecuteMany(Writer):
    def __init__(self, path: Path) -> None:
        self.connection = _bare(path)

    def write(self, rows: Rows) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        for table, some in rows.items():
            self.connection.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(some[0]))})", some)
        self.connection.execute("COMMIT")


class _Sqlite(Product):
    # SQLite answers in microseconds what takes a server a round trip: making an answer of rows is more of it.
    name, driver, find_target = "SQLite", "sqlite3", 3.0

    @contextmanager
    def places(self, count: int) -> Iterator[Sequence[Path]]:
        with tempfile.TemporaryDirectory() as folder:
            yield [Path(folder) / f"{number}.sqlite" for number in range(count)]

    def open(self, place: Path) -> SqliteDatabase:
        return SqliteDatabase(Settings(path=place))

    def bare(self, place: Path) -> sqlite3.Connection:
        return _bare(place)

    def ask(self, connection: sqlite3.Connection, text: str, bound: Any) -> Sequence[Any]:
        return connection.execute(text, bound).fetchall()

    def select(self, connection: sqlite3.Connection, text: str, *values: int) -> list[Any]:
        return connection.execute(text, values).fetchall()

    def writers(self) -> list[Any]:
        return [("executemany", _ExecuteMany, 0.65)]


def run() -> list[dict[str, Any]]:
    """Measure everything."""
    return [*bench_add(_Sqlite()), *bench_find(_Sqlite())]


if __name__ == "__main__":
    show(run())
