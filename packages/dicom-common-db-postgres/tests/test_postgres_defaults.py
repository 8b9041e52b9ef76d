"""Defaults of the server, of a database or of a user that would change what a session does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from dicom_common.core import HealthStatus, Level, PersonName, Query, RefusedError
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.dicom import parse_query
from dicom_common.testing import health_of, make_entry, make_instance

HOSTILE = {
    "search_path": "elsewhere",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "array_nulls": "off",
    "extra_float_digits": "-15",
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "DateStyle": "German, DMY",
    "TimeZone": "Asia/Kathmandu",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
}


def hostile(server: Any, **more: Any) -> Settings:
    """Make an empty database whose defaults are hostile."""
    made: Settings = server.made(schema=False, **more)
    with closing(server.bare(made.database)) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
        for name, value in HOSTILE.items():
            connection.execute(f"ALTER DATABASE {made.database} SET {name} = '{value}'")
    return made


def test_defaults_that_are_hostile_change_nothing(own_server: Any) -> None:
    settings = hostile(own_server)
    instance = make_instance(1, patient_id="a\\b", patient_name=PersonName("Äneas^山田"), slice_thickness=0.1)
    with closing(PostgresDatabase(settings)) as database:
        database.add([make_entry(instance), *(make_entry(make_instance(n)) for n in range(2, 8))])
        (patient,) = database.find(parse_query("local", Level.PATIENT, {"PatientID": "a\\b", "PatientName": "äneas*"}))
        assert patient["PatientName"] == PersonName("Äneas^山田")
        assert database.schema_differences() == []
        health = health_of(database)
        assert health.facts["synchronous_commit"] == "on"
        with database._dialect.reading() as session:
            names = ("default_transaction_isolation", "array_nulls", "extra_float_digits", "row_security")
            assert [session.rows("SELECT current_setting($1)", (name,))[0][0] for name in names] == [
                "read committed", "on", "1", "off",
            ]  # fmt: skip
            where = "SELECT table_schema FROM information_schema.tables WHERE table_name = 'instance'"
            assert session.rows(where, ()) == [("public",)]
            assert session.rows("SELECT 0.1::float8 + 0.2::float8", ()) == [(0.1 + 0.2,)]


@pytest.mark.parametrize("value", ["remote_apply", "local", "remote_write"])
def test_what_waits_for_the_disk_in_another_way_is_left_to_the_operator(own_server: Any, value: str) -> None:
    settings = own_server.made(schema=False)
    with closing(own_server.bare()) as connection:
        connection.execute(f"ALTER DATABASE {settings.database} SET synchronous_commit = {value}")
    with closing(PostgresDatabase(settings)) as database:
        assert health_of(database).facts["synchronous_commit"] == value


def test_the_tables_may_be_in_a_schema_of_their_own(own_server: Any) -> None:
    settings = own_server.made(schema=False)
    with closing(own_server.bare(settings.database)) as connection:
        connection.execute("CREATE SCHEMA imaging")
    with closing(PostgresDatabase(replace(settings, schema="imaging"))) as database:
        database.add([make_entry()])
    with closing(PostgresDatabase(settings)) as other:  # another index in the same database
        assert other.count(Query(tenant="local", level=Level.INSTANCE)) == 0
    with closing(PostgresDatabase(replace(settings, schema="imaging"))) as database:
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 1


def test_a_policy_that_hides_rows_is_an_error_and_not_an_answer(own_server: Any) -> None:
    settings = own_server.made()
    with closing(PostgresDatabase(settings)) as database:
        database.add([make_entry()])
    with closing(own_server.bare(settings.database)) as connection:
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO reader")
        connection.execute("ALTER TABLE instance ENABLE ROW LEVEL SECURITY")
    with closing(PostgresDatabase(replace(settings, user="reader"))) as database, pytest.raises(RefusedError):
        database.count(Query(tenant="local", level=Level.INSTANCE))


def test_a_server_that_may_tear_pages_is_told_of(own_server: Any) -> None:
    # fsync is off on the server of the tests, which `check` says first.
    with closing(PostgresDatabase(own_server.made())) as database:
        health = health_of(database)
        assert (health.status, health.facts["full_page_writes"]) == (HealthStatus.DEGRADED, "on")
        assert "fsync" in health.detail
        with closing(own_server.bare()) as connection:
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
            try:
                while health_of(database).facts["full_page_writes"] == "on":
                    pass
                assert "full_page_writes" in health_of(database).detail
            finally:
                connection.execute("ALTER SYSTEM RESET full_page_writes")
                connection.execute("SELECT pg_reload_conf()")
