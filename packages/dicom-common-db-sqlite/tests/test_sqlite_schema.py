"""The history of the schema, on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dicom_common.db.sql import SqlDatabase
from dicom_common.db.sql.testing import SchemaContract
from dicom_common.db.sqlite import Settings, SqliteDatabase


class TestSqliteSchema(SchemaContract):
    @pytest.fixture
    def open_database(self, tmp_path: Path) -> Callable[[], SqlDatabase]:
        return partial(SqliteDatabase, Settings(path=tmp_path / "index.sqlite"))
