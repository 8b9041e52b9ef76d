"""What PostgreSQL's errors become: one sentence that names the setting, and never a secret or a value of a row."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from dicom_common.core import (
    BackendError,
    ConfigError,
    DamagedError,
    Event,
    HealthStatus,
    PersonName,
    RefusedError,
    Secret,
    UnavailableError,
)
from dicom_common.core.tls import Tls
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing import health_of, make_entry, make_instance

VALUE = "zq7f3a"
PASSWORD = "zq7f3a-password"


def refused(kind: type[BackendError], settings: Settings, *words: str) -> str:
    """Open an index that cannot be opened, and return the one sentence that says why."""
    with pytest.raises(kind) as caught:
        PostgresDatabase(settings).close()
    assert type(caught.value) is kind
    return sentence(caught.value, *words)


def sentence(error: BaseException, *words: str) -> str:
    text = str(error)
    assert text.endswith("."), text
    assert "\n" not in text
    for word in words:
        assert word in text, text
    shown = "".join(traceback.format_exception(error))
    assert VALUE not in shown, shown
    return text


def test_a_wrong_password_is_refused(own_server: Any) -> None:
    settings = own_server.made(user="keyed", password="zq7f3a-wrong")
    refused(RefusedError, settings, "db.password", "db.user", "keyed")
    refused(RefusedError, own_server.settings(database=settings.database, user="keyed"), "db.password")


def test_the_right_password_is_enough(own_server: Any) -> None:
    settings = own_server.made(user="keyed", password=PASSWORD)
    with closing(own_server.bare(settings.database)) as connection:
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO keyed")
        connection.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO keyed")
    with closing(PostgresDatabase(settings)) as database:
        assert database.add([make_entry()])[0].key
    assert VALUE not in repr(settings)


def test_an_unknown_user_is_refused(own_server: Any) -> None:
    refused(RefusedError, own_server.settings(user="nobody_knows"), "db.user", "nobody_knows")


def test_a_user_that_the_server_rejects_is_refused(own_server: Any) -> None:
    refused(RefusedError, own_server.settings(user="banned", database="postgres"), "db.user", "pg_hba.conf")


def test_an_unknown_host_is_named() -> None:
    settings = Settings(host="no-such-host.invalid", tls=Tls(mode="off"))
    refused(UnavailableError, settings, "db.host", "no-such-host.invalid")


def test_a_port_where_nobody_listens_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    refused(UnavailableError, Settings(host="127.0.0.1", port=port), "db.port", str(port))


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings = Settings(host="127.0.0.1", port=silent.getsockname()[1], connect_timeout=1)
        refused(UnavailableError, settings, "db.host", "db.port")


def test_a_missing_database_is_named(own_server: Any) -> None:
    refused(RefusedError, own_server.settings(database="not_there"), "db.database", "not_there")


def test_a_user_who_may_not_make_tables_is_refused(own_server: Any) -> None:
    refused(RefusedError, own_server.made(schema=False, user="reader"), "reader", "GRANT")


def test_a_user_who_may_not_read_is_refused(own_server: Any) -> None:
    refused(RefusedError, own_server.made(user="reader", migrate="never"), "reader", "GRANT")


def test_a_database_without_room_for_connections_is_unavailable(own_server: Any) -> None:
    refused(UnavailableError, own_server.made(user="limited"), "max_connections", "limited")


def test_a_database_that_does_not_hold_unicode_is_refused(own_server: Any) -> None:
    with closing(own_server.bare()) as connection:
        connection.execute("DROP DATABASE IF EXISTS ascii")
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    refused(RefusedError, own_server.settings(database="ascii"), "UTF8", "db.database")


@pytest.mark.service("postgres")
def test_a_server_without_tls_is_not_spoken_to_where_tls_is_wanted(index: Settings) -> None:
    wanted = Settings(host=index.host, port=index.port, database=index.database, user=index.user, tls=Tls(mode="on"))
    refused(RefusedError, wanted, "db.tls.mode")


def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(own_server: Any) -> None:
    refused(RefusedError, own_server.settings(database="postgres", tls=Tls(mode="on")), "db.tls.ca")


def test_a_certificate_for_another_name_is_refused(own_server: Any) -> None:
    tls = Tls(mode="on", ca=own_server.folder / "ca.pem")
    refused(RefusedError, own_server.settings(database="postgres", host="127.0.0.1", tls=tls), "db.host")


def test_a_verified_server_is_spoken_to_in_tls(own_server: Any) -> None:
    tls = Tls(mode="on", ca=own_server.folder / "ca.pem")
    with closing(PostgresDatabase(own_server.made(tls=tls))) as database, database._dialect.reading() as session:
        ((used, version),) = session.rows("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()", ())
        assert used
        assert version in ("TLSv1.2", "TLSv1.3")


def test_a_certificate_of_ours_lets_us_in_and_its_absence_does_not(own_server: Any, tmp_path: Any) -> None:
    ca = own_server.folder / "ca.pem"
    issued = own_server.authority.issue_cert("certified", common_name="certified")
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    settings = own_server.made(user="certified", migrate="never")
    with closing(own_server.bare(settings.database)) as connection:
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO certified")
    name = settings.database
    with_it = own_server.settings(
        database=name, user="certified", tls=Tls(mode="on", ca=ca, certificate=certificate, key=key)
    )
    PostgresDatabase(with_it).close()
    without = own_server.settings(database=name, user="certified", tls=Tls(mode="on", ca=ca))
    refused(RefusedError, without, "db.tls.certificate")


def test_a_file_of_tls_that_is_not_there_is_named(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match=r"db\.tls\.ca"):
        PostgresDatabase(Settings(host="db.example.invalid", tls=Tls(ca=tmp_path / "none.pem")))


def test_a_statement_that_takes_too_long_is_ended(own_server: Any) -> None:
    with closing(PostgresDatabase(own_server.made(statement_timeout=3))) as database:
        with pytest.raises(UnavailableError) as caught, database._dialect.reading() as session:
            session.rows("SELECT pg_sleep(30)", ())
        sentence(caught.value, "db.statement_timeout")
        assert database.add([make_entry()])[0].key


def test_a_lock_that_is_not_given_back_is_an_error_after_the_time_limit(own_server: Any) -> None:
    settings = own_server.made(lock_timeout=0.3)
    with closing(PostgresDatabase(settings)) as database, closing(own_server.bare(settings.database)) as other:
        database.add([make_entry(make_instance(1))])
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM study FOR UPDATE")
        with pytest.raises(UnavailableError) as caught:
            database.add([make_entry(make_instance(2))])
        sentence(caught.value, "db.lock_timeout")
        other.execute("ROLLBACK")
        assert database.add([make_entry(make_instance(2))])[0].series_instances == 2


def test_a_database_that_can_only_be_read_is_unavailable_for_writing_after_the_time_limit(own_server: Any) -> None:
    settings = own_server.made(retry_timeout=0.2)
    with closing(own_server.bare()) as connection:
        connection.execute(f"ALTER DATABASE {settings.database} SET default_transaction_read_only = on")
    with closing(PostgresDatabase(settings)) as database:
        with pytest.raises(UnavailableError) as caught:
            database.add([make_entry()])
        assert type(caught.value) is UnavailableError
        sentence(caught.value, "db.host")
        assert database.stored("local", ["1.2"]) == {}
        health = health_of(database)
        assert (health.status, health.facts["read_only"]) == (HealthStatus.FAILED, True)
        assert "read only" in health.detail
        assert "db.host" in health.detail


@contextmanager
def failing(server: Any, state: str) -> Iterator[PostgresDatabase]:
    """Open an index that cannot insert instances: the server raises an error of a state, with a value in it."""
    settings = server.made()
    with closing(server.bare(settings.database)) as connection:
        connection.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" RAISE EXCEPTION '{VALUE}' USING ERRCODE = '{state}', DETAIL = '{VALUE}'; END $$"
        )
        connection.execute("CREATE TRIGGER fail BEFORE INSERT ON instance EXECUTE FUNCTION fail()")
    with closing(PostgresDatabase(settings)) as database:
        database._dialect.attempts = 3
        yield database


@pytest.mark.parametrize(
    ("state", "kind", "word"),
    [
        ("53100", UnavailableError, "disk"),
        ("53200", UnavailableError, "memory"),
        ("58030", UnavailableError, "I/O"),
        ("XX001", DamagedError, "damaged"),
        ("40P01", UnavailableError, "try again"),
        ("40001", UnavailableError, "try again"),
        ("23505", UnavailableError, "try again"),
        ("42P01", BackendError, "migrate"),
        ("22012", BackendError, "22012"),
    ],
)
def test_a_state_of_the_server_becomes_an_error(
    own_server: Any, state: str, kind: type[BackendError], word: str
) -> None:
    with failing(own_server, state) as database:
        with pytest.raises(kind) as caught:
            database.add([make_entry()])
        assert type(caught.value) is kind  # no subclass of ours gets out
        sentence(caught.value, word)


def test_no_value_of_a_patient_is_in_an_error(own_server: Any) -> None:
    settings = own_server.made()
    with closing(PostgresDatabase(settings)) as database:
        database._dialect.attempts = 2
        instance = make_instance(2, patient_id=VALUE, patient_name=PersonName(VALUE), study_description=VALUE)
        with closing(own_server.bare(settings.database)) as connection:
            connection.execute("ALTER TABLE study ALTER study_description TYPE varchar(3)")
        with pytest.raises(BackendError) as caught:
            database.add([make_entry(instance)], events=lambda _: [Event(tenant="t", topic=VALUE, key="k", body=b"")])
        sentence(caught.value)
        with closing(own_server.bare(settings.database)) as connection:
            connection.execute("ALTER TABLE study ALTER study_description TYPE varchar(255)")
            connection.execute("CREATE UNIQUE INDEX one_topic ON outbox (topic)")
        with pytest.raises(UnavailableError) as caught_unique:
            database.add(
                [make_entry(instance)], events=lambda _: [Event(tenant="t", topic=VALUE, key="k", body=b"")] * 9
            )
        sentence(caught_unique.value)


def test_all_connections_in_use_names_the_setting(own_server: Any) -> None:
    with closing(PostgresDatabase(own_server.made(pool_size=1, connect_timeout=3))) as database:
        with database._dialect.reading():
            with pytest.raises(UnavailableError) as caught:
                database.add([make_entry()])
            sentence(caught.value, "db.pool_size")
            health = health_of(database)
            assert health.status is HealthStatus.DEGRADED
            assert "db.pool_size" in health.detail
        assert database.add([make_entry()])[0].key


@pytest.mark.parametrize(
    "setting",
    [
        {"host": ""},
        {"database": "a\0b"},
        {"user": ""},
        {"password": Secret("a\0b")},
        {"schema": "Public"},
        {"schema": "a,b"},
        {"schema": ""},
        {"schema": "pg_temp"},
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Settings(**setting)


def test_a_check_says_within_seconds_that_others_hold_a_lock(own_server: Any) -> None:
    settings = own_server.made()
    with closing(PostgresDatabase(settings)) as database, closing(own_server.bare(settings.database)) as other:
        assert health_of(database).facts["read_only"] is False
        other.execute("BEGIN")
        other.execute("LOCK TABLE outbox_lease")
        health = health_of(database)
        assert health.status is HealthStatus.DEGRADED
        assert "other writers" in health.detail
        other.execute("ROLLBACK")
        assert "other writers" not in health_of(database).detail
