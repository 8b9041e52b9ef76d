"""The history of the schema, on SQLite."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from dicom_common.db.sql import Frozen, SqlDatabase
from dicom_common.db.sql.testing import SchemaContract
from dicom_common.db.sqlite import Settings, SqliteDatabase


class TestSqliteSchema(SchemaContract):
    @pytest.fixture
    def open_database(self, tmp_path: Path) -> Callable[[], SqlDatabase]:
        return partial(SqliteDatabase, Settings(path=tmp_path / "index.sqlite"))


def _described(path: Path) -> set[tuple[object, ...]]:
    """Describe every column, index and single row of an index, whatever the order of the columns is."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {(table, *row[1:]) for table in tables for row in database.execute(f"PRAGMA table_info({table})")}
        links = {(table, *row[2:]) for table in tables for row in database.execute(f"PRAGMA foreign_key_list({table})")}
        indexes = {
            (table, str(unique), origin, *(str(row[2]) for row in database.execute(f"PRAGMA index_info({name})")))
            for table in tables
            for _, name, unique, origin, _ in database.execute(f"PRAGMA index_list({table})")
        }
        made = set(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''"))
        rows = {(name, *row) for name in ("guard", "outbox_lease") for row in database.execute(f"SELECT * FROM {name}")}
        return columns | links | indexes | made | rows | set(database.execute("SELECT * FROM schema_version"))


def test_an_empty_file_gets_what_the_history_would_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, by_history = tmp_path / "at-once.sqlite", tmp_path / "by-history.sqlite"
    SqliteDatabase(Settings(path=at_once)).close()
    monkeypatch.setattr(Frozen, "schema", ())
    SqliteDatabase(Settings(path=by_history)).close()

    assert _described(at_once) == _described(by_history)


def test_an_index_that_is_made_and_one_that_is_up_to_date_need_no_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from dicom_common.db.sqlite import Settings, SqliteDatabase;"
        "SqliteDatabase(Settings(path=Path(sys.argv[1]))).close(); print('alembic' in sys.modules)"
    )
    for _ in range(2):
        words = [sys.executable, "-c", program, str(tmp_path / "index.sqlite")]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "False\n"
