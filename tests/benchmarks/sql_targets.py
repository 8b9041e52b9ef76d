"""The SQL databases that are at hand: opening an index, the bare driver beside it, and how each explains a plan."""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from dicom_common.core import Query
from dicom_common.db.sql import SqlDatabase
from dicom_common.db.sqlite import Settings as SqliteSettings, SqliteDatabase
from dicom_common.testing._services import find_service

__all__ = [
    "Bare",
    "MysqlTarget",
    "PostgresTarget",
    "Said",
    "SqliteTarget",
    "Target",
    "marks",
    "recording",
    "said_by",
    "targets",
]

ROOT = Path(__file__).resolve().parents[2]
Said = tuple[str, Any]
"""A statement and what is bound to it."""


class Bare(ABC):
    """A connection of the bare driver."""

    @abstractmethod
    def ask(self, text: str, bound: Any) -> Sequence[Any]:
        """Run a statement and fetch all rows."""

    @abstractmethod
    def explain(self, text: str, bound: Any) -> list[str]:
        """Return the steps of its plan."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""


class Target(ABC):
    """A database product that is at hand."""

    name: str

    @abstractmethod
    def open(self, database: str) -> SqlDatabase:
        """Open an index, which is made where it is not there."""

    @abstractmethod
    def bare(self, database: str) -> Bare:
        """Connect to it without the plugin."""

    @abstractmethod
    def drop(self, database: str) -> None:
        """Remove it."""

    def provide(self) -> None:  # noqa: B027 - SQLite does without
        """Give the server the memory and the log that its operator would for millions of rows."""

    def analyze(self, database: str) -> None:  # noqa: B027 - SQLite does without
        """Let the planner look at the tables, as the server does by itself sooner or later."""


class _SqliteBare(Bare):
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        self._connection.execute("PRAGMA cache_size=-65536")

    def ask(self, text: str, bound: Any) -> Sequence[Any]:
        return self._connection.execute(text, bound).fetchall()

    def explain(self, text: str, bound: Any) -> list[str]:
        return [str(row[3]) for row in self.ask(f"EXPLAIN QUERY PLAN {text}", bound)]

    def close(self) -> None:
        self._connection.close()


class SqliteTarget(Target):
    """Files in a folder."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, database: str) -> SqlDatabase:
        return SqliteDatabase(SqliteSettings(path=self._folder / f"{database}.sqlite"))

    def bare(self, database: str) -> Bare:
        return _SqliteBare(self._folder / f"{database}.sqlite")

    def drop(self, database: str) -> None:
        for path in self._folder.glob(f"{database}.sqlite*"):
            path.unlink()


class _PostgresBare(Bare):
    def __init__(self, host: str, port: int, database: str) -> None:
        import psycopg  # noqa: PLC0415 - only where there is a server

        self._connection = psycopg.connect(
            host=host,
            port=port,
            user="postgres",
            dbname=database,
            autocommit=True,
            options="-c random_page_cost=1.1",  # as the plugin has it: what is compared is not the plans
        )
        self._cursor: psycopg.RawCursor[Any] = psycopg.RawCursor(self._connection)

    def ask(self, text: str, bound: Any) -> Sequence[Any]:
        return self._cursor.execute(text, bound).fetchall()

    def explain(self, text: str, bound: Any) -> list[str]:
        ((plan,),) = self.ask(f"EXPLAIN (FORMAT JSON) {text}", bound)
        return list(_postgres_steps(plan[0]["Plan"]))

    def explain_generic(self, text: str, bound: Any) -> list[str]:
        """Return the plan that a prepared statement has for all values: the server may change to it after a while."""
        from psycopg import sql  # noqa: PLC0415 - only where there is a server

        self._cursor.execute(f"PREPARE asked AS {text}")
        try:
            self._cursor.execute("SET plan_cache_mode = force_generic_plan")
            values = ", ".join(sql.Literal(value).as_string(self._connection) for value in bound)
            ((plan,),) = self._cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked ({values})").fetchall()
        finally:
            self._cursor.execute("DEALLOCATE asked")
            self._cursor.execute("RESET plan_cache_mode")
        return list(_postgres_steps(plan[0]["Plan"]))

    def close(self) -> None:
        self._connection.close()


def _postgres_steps(node: dict[str, Any]) -> Iterator[str]:
    """Write a node of a plan and those below it as lines: what is done, with which index, and the conditions."""
    words = [str(node["Node Type"])]
    words += [f"{word} {node[key]}" for word, key in (("using", "Index Name"), ("on", "Relation Name")) if key in node]
    words += [str(node[key]) for key in ("Index Cond", "Filter", "Sort Key") if key in node]
    yield " ".join(words)
    for child in node.get("Plans", ()):
        yield from _postgres_steps(child)


class PostgresTarget(Target):
    """Databases on a PostgreSQL server."""

    name = "postgres"

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    def open(self, database: str) -> SqlDatabase:
        from dicom_common.db.postgres import PostgresDatabase, Settings  # noqa: PLC0415 - only where there is a server

        with closing(self.bare("postgres")) as bare:
            if not bare.ask("SELECT 1 FROM pg_database WHERE datname = $1", [database]):
                self._run("postgres", f"CREATE DATABASE {database} TEMPLATE template0")
        return PostgresDatabase(Settings(host=self._host, port=self._port, user="postgres", database=database))

    def bare(self, database: str) -> Bare:
        return _PostgresBare(self._host, self._port, database)

    def drop(self, database: str) -> None:
        self._run("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def provide(self) -> None:
        # Its buffers are the system's own, for the most part.
        self._run("postgres", "ALTER SYSTEM SET max_wal_size = '4GB'")
        self._run("postgres", "SELECT pg_reload_conf()")

    def analyze(self, database: str) -> None:
        self._run(database, "VACUUM ANALYZE")

    def _run(self, database: str, text: str) -> None:
        import psycopg  # noqa: PLC0415

        arguments: dict[str, Any] = {"host": self._host, "port": self._port, "user": "postgres", "dbname": database}
        with psycopg.connect(**arguments, autocommit=True) as connection:
            connection.execute(text)


class _MysqlBare(Bare):
    def __init__(self, host: str, port: int, database: str) -> None:
        import MySQLdb  # noqa: PLC0415 - only where there is a server

        self._connection: Any = MySQLdb.connect(
            host=host, port=port, user="root", database=database, autocommit=True, charset="utf8mb4"
        )
        self._cursor: Any = self._connection.cursor()

    def ask(self, text: str, bound: Any) -> Sequence[Any]:
        self._cursor.execute(text, bound)
        rows: Sequence[Any] = self._cursor.fetchall()
        return rows

    def explain(self, text: str, bound: Any) -> list[str]:
        rows = self.ask(f"EXPLAIN {text}", bound)
        names = [column[0] for column in self._cursor.description]
        return [_mysql_step(dict(zip(names, row, strict=True))) for row in rows]

    def run(self, text: str) -> None:
        """Run a statement without an answer that matters."""
        self._cursor.execute(text)
        self._cursor.fetchall()

    def close(self) -> None:
        self._connection.close()


def _mysql_step(row: dict[str, Any]) -> str:
    return f"{row['type']} on {row['table']} using {row['key']} rows {row['rows']} {row['Extra'] or ''}".strip()


class MysqlTarget(Target):
    """Databases on a MySQL or MariaDB server."""

    name = "mysql"

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    def open(self, database: str) -> SqlDatabase:
        from dicom_common.db.mysql import MysqlDatabase, Settings  # noqa: PLC0415 - only where there is a server

        self._run("mysql", f"CREATE DATABASE IF NOT EXISTS {database}")
        return MysqlDatabase(Settings(host=self._host, port=self._port, user="root", database=database))

    def bare(self, database: str) -> Bare:
        return _MysqlBare(self._host, self._port, database)

    def drop(self, database: str) -> None:
        self._run("mysql", f"DROP DATABASE IF EXISTS {database}")

    def provide(self) -> None:
        # By default it has 128 MiB, in which the indexes of a hundred thousand instances find no room.
        for name, size in (("innodb_buffer_pool_size", 2 << 30), ("innodb_log_file_size", 1 << 30)):
            with suppress(Exception):  # MySQL 8 has another name for the log's
                self._run("mysql", f"SET GLOBAL {name} = {size}")

    def analyze(self, database: str) -> None:
        tables = "patient, study, series, instance, series_class, study_modality, request_item, instance_json"
        self._run(database, f"ANALYZE TABLE {tables}")

    def _run(self, database: str, text: str) -> None:
        with closing(_MysqlBare(self._host, self._port, database)) as bare:
            bare.run(text)


def targets(folder: Path) -> Iterator[Target]:
    """Find the databases that are at hand: SQLite in a folder, and the servers that tests would find."""
    yield SqliteTarget(folder)
    for name, target in (("postgres", PostgresTarget), ("mysql", MysqlTarget)):
        if (endpoint := find_service(name, ROOT).endpoint) is not None:
            yield target(endpoint.host, endpoint.port)


class _Recorder:
    """A session that notes what it is asked."""

    def __init__(self, session: Any, said: list[Said]) -> None:
        self._session, self._said = session, said

    def rows(self, text: str, bound: Any) -> Any:
        self._said.append((text, bound))
        return self._session.rows(text, bound)

    def run(self, text: str, bound: Any) -> Any:
        self._said.append((text, bound))
        return self._session.run(text, bound)

    def run_many(self, text: str, bound: Sequence[Any]) -> None:
        self._said.extend((text, values) for values in bound[:1])
        self._session.run_many(text, bound)


@contextmanager
def recording(database: SqlDatabase) -> Iterator[list[Said]]:
    """Note all statements of a database for the length of a block."""
    said: list[Said] = []
    dialect: Any = database._dialect

    def recorded(lend: Any) -> Any:
        @contextmanager
        def lent() -> Iterator[Any]:
            with lend() as session:
                yield _Recorder(session, said)

        return lent

    before = dialect.reading, dialect.writing
    dialect.reading, dialect.writing = (recorded(lend) for lend in before)
    try:
        yield said
    finally:
        del dialect.reading, dialect.writing  # those of the class again


def said_by(database: SqlDatabase, query: Query, *, count: bool = False) -> list[Said]:
    """Return the statements of a search with what is bound to them."""
    with recording(database) as said:
        (database.count if count else database.find)(query)
    return said


@contextmanager
def marks(path: Path) -> Iterator[dict[str, Any]]:
    """Lend what is noted in a file of JSON, and write it back."""
    noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    yield noted
    path.write_text(json.dumps(noted), encoding="utf-8")
