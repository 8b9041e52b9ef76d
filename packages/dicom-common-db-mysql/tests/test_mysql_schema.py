"""The history of the schema, on MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.db.sql import SqlDatabase
from dicom_common.db.sql.testing import SchemaContract
from dicom_common.testing import Endpoint


@pytest.mark.service("mysql")
class TestMysqlSchema(SchemaContract):
    @pytest.fixture
    def open_database(self, service_endpoint: Endpoint) -> Iterator[Callable[[], SqlDatabase]]:
        host, port = service_endpoint
        name = f"schema_{uuid4().hex}"
        with MySQLdb.connect(host=host, port=port, user="root", autocommit=True) as connection:
            connection.query(f"CREATE DATABASE {name}")
            yield partial(MysqlDatabase, Settings(host=host, port=port, user="root", database=name))
            connection.query(f"DROP DATABASE {name}")
