"""The contract of an index, kept by SQLite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dicom_common.core import BriefSearches, Database, DerivedRows, KeptFrames, Logs, Migrations, Revisions
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.testing import DatabaseContract


class TestSqlite(DatabaseContract):
    abilities = (BriefSearches, DerivedRows, KeptFrames, Logs, Migrations, Revisions)

    @pytest.fixture
    def open_database(self, tmp_path: Path) -> Callable[[], Database]:
        return partial(SqliteDatabase, Settings(path=tmp_path / "index.sqlite"))
