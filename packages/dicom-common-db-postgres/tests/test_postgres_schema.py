"""The history of the schema, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.db.sql import SqlDatabase
from dicom_common.db.sql.testing import SchemaContract


@pytest.mark.service("postgres")
class TestPostgresSchema(SchemaContract):
    @pytest.fixture
    def open_database(self, empty: Settings) -> Callable[[], SqlDatabase]:
        return partial(PostgresDatabase, empty)
