"""The contract of an index, kept by PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.core import Database
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing import DatabaseContract


@pytest.mark.service("postgres")
class TestPostgres(DatabaseContract):
    @pytest.fixture
    def open_database(self, index: Settings) -> Callable[[], Database]:
        return partial(PostgresDatabase, index)
