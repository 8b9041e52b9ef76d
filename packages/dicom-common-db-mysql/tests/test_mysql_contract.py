"""The contract of an index, kept by MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import Database
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.testing import DatabaseContract, Endpoint


@pytest.mark.service("mysql")
class TestMysql(DatabaseContract):
    @pytest.fixture
    def open_database(self, service_endpoint: Endpoint) -> Iterator[Callable[[], Database]]:
        host, port = service_endpoint
        name = f"contract_{uuid4().hex}"
        with MySQLdb.connect(host=host, port=port, user="root", autocommit=True) as connection:
            connection.query(f"CREATE DATABASE {name}")
            yield partial(MysqlDatabase, Settings(host=host, port=port, user="root", database=name))
            connection.query(f"DROP DATABASE {name}")
