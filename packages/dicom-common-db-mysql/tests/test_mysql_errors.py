"""What the caller is told when the server does not do what it should: one sentence, which names the setting."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import BackendError, HealthStatus, RefusedError, SchemaVersionError, Secret, UnavailableError
from dicom_common.core.tls import Tls
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.db.mysql._errors import Translation
from dicom_common.testing import Endpoint, health_of, make_entry, make_instance

PASSWORD = "made-up-and-never-shown"
TRANSLATION = Translation(Settings(database="archive", user="reader"), "the MySQL server db.example.org:3306")
service = pytest.mark.service("mysql")


@pytest.fixture
def admin(service_endpoint: Endpoint) -> Iterator[MySQLdb.Connection]:
    host, port = service_endpoint
    with MySQLdb.connect(host=host, port=port, user="root", autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(service_endpoint: Endpoint, admin: MySQLdb.Connection) -> Iterator[Settings]:
    """An empty database and a user with all rights on it."""
    name = f"t{uuid4().hex[:16]}"
    admin.query(f"CREATE DATABASE {name}")
    admin.query(f"CREATE USER {name} IDENTIFIED BY '{PASSWORD}'")
    admin.query(f"GRANT ALL ON {name}.* TO {name}")
    host, port = service_endpoint
    yield Settings(host=host, port=port, database=name, user=name, password=Secret(PASSWORD), tls=Tls(mode="off"))
    admin.query(f"DROP DATABASE {name}")
    admin.query(f"DROP USER {name}")


def told(kind: type[BackendError], work: Callable[[], Any]) -> str:
    """Return the sentence of the error that some work ends in; neither it nor its causes show the password."""
    with pytest.raises(kind) as caught:
        work()
    assert type(caught.value) is kind  # PassingError is for the inside
    text = str(caught.value)
    assert text[0].isupper()
    assert text.endswith(".")
    assert "\n" not in text
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return text


def opening(settings: Settings, **changed: Any) -> Callable[[], Any]:
    return lambda: MysqlDatabase(replace(settings, **changed))


@service
def test_a_wrong_password_or_user_is_named(settings: Settings) -> None:
    for changed in ({"password": Secret("made-up-and-wrong")}, {"user": "nobody-here"}, {"password": Secret("")}):
        text = told(RefusedError, opening(settings, **changed))
        assert "db.user" in text
        assert "db.password" in text
        assert "wrong" not in text


@service
def test_an_unknown_host_is_named(settings: Settings) -> None:
    text = told(UnavailableError, opening(settings, host="no-such-host.invalid"))
    assert "no-such-host.invalid" in text
    assert "db.host" in text


@service
def test_a_port_where_nobody_listens_is_named(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "db.port" in told(UnavailableError, opening(settings, host="127.0.0.1", port=port))


@service
def test_a_server_that_says_nothing_is_given_up(settings: Settings) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        told(
            UnavailableError,
            opening(settings, host="127.0.0.1", port=port, connect_timeout=1, statement_timeout=1, lock_timeout=1),
        )


@service
def test_a_missing_database_is_named(settings: Settings, admin: MySQLdb.Connection) -> None:
    admin.query(f"GRANT ALL ON *.* TO {settings.user}")  # else the server does not even say that it is not there
    assert "db.database" in told(RefusedError, opening(settings, database="not_there"))


@service
def test_a_database_of_others_is_refused(settings: Settings) -> None:
    assert "db.user" in told(RefusedError, opening(settings, database="mysql"))


@service
def test_a_user_that_may_not_make_tables_is_told_what_to_grant(settings: Settings, admin: MySQLdb.Connection) -> None:
    admin.query(f"REVOKE CREATE ON {settings.database}.* FROM {settings.user}")
    assert "CREATE" in told(RefusedError, opening(settings))


@service
def test_a_user_that_may_not_write_is_told_what_to_grant(settings: Settings, admin: MySQLdb.Connection) -> None:
    MysqlDatabase(settings).close()
    admin.query(f"REVOKE INSERT, UPDATE, DELETE ON {settings.database}.* FROM {settings.user}")
    with closing(MysqlDatabase(settings)) as database:
        assert "UPDATE" in told(RefusedError, lambda: database.add([make_entry()]))
        assert health_of(database).status is HealthStatus.FAILED


@service
def test_a_schema_that_is_not_there_is_asked_for(settings: Settings) -> None:
    assert "dicom-common migrate" in told(SchemaVersionError, opening(settings, migrate="never"))


@service
def test_a_statement_that_takes_too_long_is_ended(settings: Settings) -> None:
    with closing(MysqlDatabase(replace(settings, statement_timeout=3))) as database:

        def slow() -> None:
            columns = ", ".join(f"information_schema.columns c{number}" for number in range(3))
            with database._dialect.reading() as session:
                session.rows(f"SELECT c0.table_name FROM {columns} ORDER BY rand()", ())

        assert "db.statement_timeout" in told(UnavailableError, slow)
        database.add([make_entry()])


@service
def test_a_lock_that_is_held_for_too_long_is_given_up(settings: Settings, admin: MySQLdb.Connection) -> None:
    with closing(MysqlDatabase(replace(settings, lock_timeout=1))) as database:
        admin.query(f"USE {settings.database}")
        admin.begin()
        admin.query("SELECT pk FROM guard FOR UPDATE")
        admin.store_result()
        assert "db.lock_timeout" in told(UnavailableError, lambda: database.add([make_entry()]))
        admin.rollback()
        database.add([make_entry()])


@service
def test_too_few_connections_are_said(settings: Settings) -> None:
    with closing(MysqlDatabase(replace(settings, pool_size=1, connect_timeout=3))) as database:
        entered, done = threading.Event(), threading.Event()

        def hold() -> None:
            with database._dialect.reading():
                entered.set()
                done.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        entered.wait(60)
        assert "db.pool_size" in told(UnavailableError, lambda: database.stored("local", ["1.2"]))
        done.set()
        holder.join()
        assert database.stored("local", ["1.2"]) == {}


@pytest.mark.kills
def test_a_server_with_too_many_connections_is_said(private_server: Callable[..., Any]) -> None:
    server = private_server("--max-connections=10", "--extra-max-connections=1")
    settings = Settings(host="127.0.0.1", port=server.port, user="root")
    taken = [server.connect() for _ in range(11)]  # the last one is kept free for an administrator such as this one
    try:
        assert "db.pool_size" in told(UnavailableError, opening(settings))
    finally:
        for connection in taken:
            connection.close()


@pytest.mark.kills
def test_a_server_that_takes_short_statements_only_is_said(private_server: Callable[..., Any]) -> None:
    server = private_server("--max-allowed-packet=1M")
    with closing(MysqlDatabase(Settings(host="127.0.0.1", port=server.port, user="root"))) as database:
        large = make_entry(metadata=b"x" * 2_000_000)
        assert "max_allowed_packet" in told(BackendError, lambda: database.add([large]))
        small = [make_entry(make_instance(n), metadata=b"x" * 400_000) for n in range(5)]
        assert len(database.add(small)) == len(small)


@pytest.mark.kills
def test_a_read_only_server_is_said(private_server: Callable[..., Any]) -> None:
    server = private_server()
    server.run(f"CREATE OR REPLACE USER writer IDENTIFIED BY '{PASSWORD}'", "GRANT ALL ON dicom_common.* TO writer")
    settings = Settings(host="127.0.0.1", port=server.port, user="writer", password=Secret(PASSWORD), retry_timeout=0.2)
    with closing(MysqlDatabase(settings)) as database:
        server.run("SET GLOBAL read_only = 1")
        assert "db.host" in told(UnavailableError, lambda: database.add([make_entry()]))
        assert database.stored("local", ["1.2"]) == {}
        health = health_of(database)
        assert (health.status, "read-only" in health.detail) == (HealthStatus.FAILED, True)
        server.run("SET GLOBAL read_only = 0")
        assert health_of(database).status is not HealthStatus.FAILED


@pytest.mark.parametrize(
    "error",
    [
        MySQLdb.IntegrityError(1062, "Duplicate entry '7-DOE^JOHN-' for key 'patient'"),
        MySQLdb.DataError(1366, "Incorrect string value: 'DOE^JOHN' for column"),
        MySQLdb.ProgrammingError(1064, "You have an error in your SQL syntax near 'DOE^JOHN'"),
        MySQLdb.OperationalError(9999, "DOE^JOHN"),
    ],
)
def test_no_value_of_a_row_gets_into_a_message_or_what_it_was_raised_from(error: MySQLdb.Error) -> None:
    assert "DOE" not in str(TRANSLATION.of(error))
    assert "DOE" not in repr(error)
