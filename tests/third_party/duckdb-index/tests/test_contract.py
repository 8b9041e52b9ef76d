"""The contract of indexes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from acme_duckdb import DuckDatabase, Settings

from dicom_common.testing import DatabaseContract


class TestDuckDatabase(DatabaseContract):
    @pytest.fixture
    def open_database(self, tmp_path: Path) -> partial[DuckDatabase]:
        # Eight processes wait for one file, which each opens anew for a transaction: on a busy machine, for long.
        return partial(DuckDatabase, Settings(path=tmp_path / "index.duckdb", timeout=300))
