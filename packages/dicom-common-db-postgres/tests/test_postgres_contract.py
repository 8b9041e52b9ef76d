"""The contract of an index, kept by PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from dicom_common.core import Database, DerivedRows, KeptFrames, Logs, Migrations, Revisions
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing import DatabaseContract, Endpoint


@pytest.mark.service("postgres")
class TestPostgres(DatabaseContract):
    abilities = (DerivedRows, KeptFrames, Logs, Migrations, Revisions)

    @pytest.fixture
    def open_database(self, index: Settings) -> Callable[[], Database]:
        return partial(PostgresDatabase, index)

    @pytest.fixture
    def open_at(self, index: Settings) -> Callable[[Endpoint], Database]:
        quick = replace(index, connect_timeout=1.0, statement_timeout=1.0, retry_timeout=1.0)
        return lambda endpoint: PostgresDatabase(replace(quick, host=endpoint.host, port=endpoint.port))
