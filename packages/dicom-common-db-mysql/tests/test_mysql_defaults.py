"""Defaults of the server that would change what a session does, or what its tables are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from dicom_common.core import Level, PersonName, Query
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.dicom import parse_query
from dicom_common.testing import make_entry, make_instance

pytestmark = pytest.mark.kills

VARIABLES = {
    "sql_mode": "''",
    "sql_safe_updates": "1",
    "sql_select_limit": "1",
    "sql_big_selects": "0",
    "max_join_size": "1",
    "sql_auto_is_null": "1",
    "foreign_key_checks": "0",
    "unique_checks": "0",
    "completion_type": "'CHAIN'",
    "autocommit": "0",
    "max_sort_length": "8",
    "tx_isolation": "'SERIALIZABLE'",
    "default_storage_engine": "'Aria'",
    "innodb_default_row_format": "'compact'",
    "time_zone": "'+05:45'",
    "collation_connection": "'latin1_german1_ci'",
    "lock_wait_timeout": "86400",
    "max_statement_time": "0.000001",
    "innodb_strict_mode": "0",
}


@pytest.fixture
def server(private_server: Callable[..., Any]) -> Any:
    """Start a server whose defaults are hostile."""
    server = private_server("--character-set-server=latin1", "--skip-character-set-client-handshake")
    # The last one would end the statements of the tests.
    server.run(*(f"SET GLOBAL {name} = {value}" for name, value in VARIABLES.items()))
    return server


def test_defaults_that_are_hostile_change_nothing(server: Any) -> None:
    instance = make_instance(1, patient_id="a\\b", patient_name=PersonName("Äneas^山田"), slice_thickness=0.1)
    with closing(MysqlDatabase(Settings(host="127.0.0.1", port=server.port, user="root"))) as database:
        entries = [make_entry(instance), *(make_entry(make_instance(n, study=n)) for n in range(2, 8))]
        database.add(entries)
        (patient,) = database.find(parse_query("local", Level.PATIENT, {"PatientID": "a\\b", "PatientName": "äneas*"}))
        assert patient["PatientName"] == PersonName("Äneas^山田")
        assert len(database.find(Query(tenant="local", level=Level.STUDY))) == 7
        assert len(database.remove("local", entries[1].instance.study_uid)) == 1
        assert database.schema_differences() == []
    # What was written was committed, and is in tables that have transactions and indexes of long text.
    with closing(MysqlDatabase(Settings(host="127.0.0.1", port=server.port, user="root"))) as database:
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 6
        with database._dialect.reading() as session:
            kinds = session.rows(
                "SELECT DISTINCT engine, row_format FROM information_schema.tables WHERE table_schema = DATABASE()"
                " AND table_name <> 'schema_version'",
                (),
            )
            assert list(kinds) == [("InnoDB", "Dynamic")]
            wanted = {"autocommit": 1, "sql_safe_updates": 0, "foreign_key_checks": 1, "completion_type": "NO_CHAIN"}
            (found,) = session.rows(f"SELECT {', '.join(f'@@session.{name}' for name in wanted)}", ())
            assert dict(zip(wanted, found, strict=True)) == wanted
