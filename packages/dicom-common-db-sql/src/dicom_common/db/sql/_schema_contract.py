"""What an SQL plugin's tests inherit: the history of the schema on a real database. Needs dicom-common-testing."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, Table, delete, event, insert, text

from dicom_common.core import Level, Query, ReceivedObject, SchemaVersionError
from dicom_common.db.sql import _create, _migrate, _versions
from dicom_common.db.sql._columns import TABLES
from dicom_common.db.sql._database import SqlDatabase
from dicom_common.db.sql._session import Session
from dicom_common.testing import CORPUS, assert_consistent, make_entry, make_instance, make_received

__all__ = ["SchemaContract"]

Open = Callable[[], SqlDatabase]
_SPAWN = multiprocessing.get_context("spawn")
_GUARD = 120
"""Seconds after which a child that hangs fails the test."""
_KILLED = 86
_READING = ("SELECT", "PRAGMA", "SHOW", "DESCRIBE")
_DAMAGE = (
    "UPDATE patient SET patient_sex = 'X', patient_name_alphabetic = 'x'",
    "UPDATE patient SET patient_name_words = 'x'",
    "UPDATE patient SET studies = studies + 1",
    "UPDATE study SET study_description = 'stale', study_date = 20200101",
    "UPDATE study SET referring_physician_name_words = NULL",
    "UPDATE study SET instances = 99, series = 0",
    "UPDATE study SET patient_fk = (SELECT MAX(pk) FROM patient)",
    "UPDATE study SET sources = '[]'",
    "UPDATE series SET modality = 'ZZ'",
    "UPDATE series SET instances = 0, sources = NULL",
    "UPDATE instance SET other_patient = 1 - other_patient",
    "UPDATE series_class SET instances = 5",
    "DELETE FROM series_class",
    "DELETE FROM series_revision",
    "DELETE FROM study_modality",
    "DELETE FROM request_item",
)
"""Statements after which rows are not what their instances say."""
_UIDS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "INSTANCE": "SOPInstanceUID"}


@cache
def _released(version: str) -> Any:
    file = Path(__file__).parent / "released" / f"{version}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _value(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def _rows(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # The keys of the outbox are the database's own.
    names = [column.name for column in table.columns if not (table.name == "outbox" and column.primary_key)]
    return [{name: _value(row.get(name)) for name in names} for row in rows]


def _make_old(database: SqlDatabase, version: str) -> None:
    """Give a database the tables and rows that one of an older version had."""
    dialect = database._dialect  # noqa: SLF001 - this module is a part of the package
    released = _released(version)
    with dialect.migrating() as connection:
        everything = MetaData()
        everything.reflect(connection)
        everything.drop_all(connection)
    with dialect.migrating() as connection:
        _migrate.upgrade(connection, dialect.schema, version)
        for table in _migrate.tables_of(version).sorted_tables:
            connection.execute(delete(table))
            if rows := _rows(table, released["rows"][table.name]):
                connection.execute(insert(table), rows)
    with dialect.writing() as session:
        for name in ("tenant", *TABLES.values()):
            dialect.allocate(session, name, 1000)  # the rows above have these keys


def _assert_whole(database: SqlDatabase, version: str) -> None:
    """Assert that everything is there that an older version had, and that the present one can work on it."""
    released = _released(version)
    assert database.schema_version() == (_versions.HEAD, _versions.HEAD)
    assert database.schema_differences() == []
    for name, levels in released["found"].items():
        for level, expected in levels.items():
            found = database.find(Query(tenant=name, level=Level[level]))
            assert [row[_UIDS[level]] for row in found] == expected
        for study_uid in levels["STUDY"]:
            assert all(document.startswith(b"{") for document in database.metadata(name, study_uid))
        assert_consistent(database, name)
    assert [one.id for one in database.pending(1000, relay="test", lease=0)] == released["events"]
    assert database.discarded(100) == released["discarded"]

    database.add([make_entry(make_instance(50, study=1)), make_entry(make_instance(1, study=77))])
    database.write_log([make_received()])
    database.remove("local", "1.2.3.2")
    assert_consistent(database)
    assert database.count(Query(tenant="local", level=Level.STUDY)) == len(released["found"]["local"]["STUDY"])
    assert database.read_log(ReceivedObject, "local") == [make_received()]


def _open_and_die(open_database: Open, statements: int) -> None:
    """Open a database, and be dead after so many statements that change something."""
    left = statements

    def count(*arguments: Any) -> None:
        nonlocal left
        if not str(arguments[2]).lstrip().upper().startswith(_READING):
            left -= 1
            if left < 0:
                os._exit(_KILLED)

    event.listen(Engine, "before_cursor_execute", count)
    create = _create.create
    _create.create = lambda session, dialect: create(_Counted(session, count), dialect)
    open_database().close()


class _Counted:
    """A connection that counts what changes something: an empty database is made without SQLAlchemy."""

    def __init__(self, session: Session, count: Callable[..., None]) -> None:
        self._session, self._count = session, count
        self.rows, self.run_many = session.rows, session.run_many

    def run(self, text: str, bound: Any) -> int:
        self._count(None, None, text)
        return self._session.run(text, bound)


def _open_with_others(open_database: Open, barrier: Any) -> None:
    try:
        barrier.wait(_GUARD)
    except BrokenBarrierError:
        return
    open_database().close()


def _is_killed(open_database: Open, statements: int) -> bool:
    child = _SPAWN.Process(target=_open_and_die, args=(open_database, statements), daemon=True)
    child.start()
    child.join(_GUARD)
    assert child.exitcode in (0, _KILLED), f"it ended with {child.exitcode}"
    return child.exitcode == _KILLED


class SchemaContract:
    """Inherit from it in a class whose name starts with `Test`, and give it the fixture `open_database`.

    Each test has a database of its own, without tables.
    """

    @pytest.fixture
    def open_database(self) -> Open:
        """Return what opens the database of this test and migrates it: picklable, such as a `functools.partial`."""
        raise NotImplementedError("give the contract a fixture open_database, which returns a picklable callable")

    def test_the_history_makes_the_tables_of_the_code(self, open_database: Open) -> None:
        with closing(open_database()) as database:
            assert database.schema_version() == (_versions.HEAD, _versions.HEAD)
            assert database.schema_differences() == []

    @pytest.mark.parametrize("stop", _versions.KNOWN[:-1])
    def test_a_database_of_an_older_version_is_upgraded_with_its_data(self, open_database: Open, stop: str) -> None:
        first = _versions.KNOWN[0]
        with closing(open_database()) as database:
            _make_old(database, first)
            with database._dialect.migrating() as connection:  # noqa: SLF001 - this module is a part of the package
                _migrate.upgrade(connection, database._dialect.schema, stop)  # noqa: SLF001 - likewise
                connection.execute(text("UPDATE study SET accession_number = 'STALE'"))
            assert database.schema_version() == (stop, _versions.HEAD)
        with closing(open_database()) as database:
            _assert_whole(database, first)
            # What follows from the instances is derived by the present rules.
            studies = database.find(Query(tenant="local", level=Level.STUDY))
            assert "STALE" not in {study["AccessionNumber"] for study in studies}

    @pytest.mark.parametrize("statement", _DAMAGE)
    def test_rows_that_are_not_what_their_instances_say_are_found_and_repaired(
        self, open_database: Open, statement: str
    ) -> None:
        with closing(open_database()) as database:
            database.add([make_entry(one) for one in CORPUS])
            database.add([make_entry(make_instance(1, study=3, series=4, patient_id="ANOTHER"))])
            before = [database.find(Query(tenant="local", level=level)) for level in Level]
            with database._dialect.writing() as session:  # noqa: SLF001 - this module is a part of the package
                assert session.run(statement, ()) > 0
            damaged = [database.find(Query(tenant="local", level=level)) for level in Level]
            assert sum(one.wrong for one in database.compare_rows(repair=False)) > 0
            assert [database.find(Query(tenant="local", level=level)) for level in Level] == damaged
            assert sum(one.wrong for one in database.compare_rows(repair=True)) > 0
            assert [database.find(Query(tenant="local", level=level)) for level in Level] == before
            assert_consistent(database)

    @pytest.mark.kills
    def test_a_process_that_is_killed_while_it_makes_the_schema_leaves_one_that_can_be_opened(
        self, open_database: Open
    ) -> None:
        assert [_is_killed(open_database, statements) for statements in (1, 12, 30)] == [True] * 3
        with closing(open_database()) as database:
            assert database.schema_differences() == []
            database.add([make_entry()])
            assert_consistent(database)

    @pytest.mark.kills
    def test_a_process_that_is_killed_while_it_upgrades_loses_nothing(self, open_database: Open) -> None:
        first = _versions.KNOWN[0]
        with closing(open_database()) as database:
            _make_old(database, first)
        assert [_is_killed(open_database, statements) for statements in (1, 4, 6)] == [True] * 3
        with closing(open_database()) as database:
            _assert_whole(database, first)

    def test_processes_that_open_an_empty_database_at_once_make_one_schema(self, open_database: Open) -> None:
        barrier = _SPAWN.Barrier(4)
        children = [
            _SPAWN.Process(target=_open_with_others, args=(open_database, barrier), daemon=True) for _ in range(4)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join(_GUARD)
        assert [child.exitcode for child in children] == [0] * 4
        with closing(open_database()) as database:
            assert database.schema_differences() == []
            database.add([make_entry()])

    def test_a_newer_schema_is_refused(self, open_database: Open) -> None:
        with closing(open_database()) as database:
            with database._dialect.migrating() as connection:  # noqa: SLF001 - this module is a part of the package
                connection.execute(text(f"UPDATE {_versions.VERSION_TABLE} SET version_num = '9999'"))  # noqa: S608 - ours
            with pytest.raises(SchemaVersionError):
                database.migrate()
        with pytest.raises(SchemaVersionError, match="upgrade the packages") as caught:
            open_database()
        assert (caught.value.found, caught.value.needed) == ("9999", _versions.HEAD)
