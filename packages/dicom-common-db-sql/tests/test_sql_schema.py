"""The tables and their history."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

import dicom_common.db.sql
from dicom_common.core import ATTRIBUTES, BackendError, Level
from dicom_common.db.sql import SchemaTraits, _migrate, _rows, _versions
from dicom_common.db.sql._columns import PARENTS, TABLES, row_columns
from dicom_common.db.sql.expressions import metadata
from dicom_common.testing import make_entry


def history() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(dicom_common.db.sql.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def migrated() -> Connection:
    connection = create_engine("sqlite://").connect()
    _migrate.migrate(connection, SchemaTraits(alters_tables=False), "The index")
    return connection


def written(connection: Connection) -> dict[str, str]:
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
    # Where a migration has added a column, SQLite keeps the text of the table with other white space.
    return {name: " ".join(sql.split()) for name, sql in rows if name != _versions.VERSION_TABLE}


def test_the_newest_migration_is_the_version_that_the_code_needs() -> None:
    assert history().get_current_head() == _versions.HEAD
    assert {script.revision for script in history().walk_revisions()} == set(_versions.KNOWN)


def test_the_migrations_make_exactly_the_tables_of_the_code() -> None:
    with migrated() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": _versions.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_make_what_the_code_would_make_to_the_letter() -> None:
    # What Alembic does not compare is in the text: the order of columns, a condition of an index, a collation.
    with create_engine("sqlite://").connect() as plain, migrated() as connection:
        metadata.create_all(plain)
        assert written(connection) == written(plain)


def test_migrating_twice_is_migrating_once() -> None:
    with migrated() as connection:
        _migrate.migrate(connection, SchemaTraits(alters_tables=False), "The index")
        assert _migrate.version(connection) == _versions.HEAD


def test_a_newer_schema_is_refused_by_name() -> None:
    with pytest.raises(BackendError, match=r"The index has the schema version 9999, which is newer"):
        _versions.require("9999", "The index")


def test_every_attribute_has_a_column_of_its_level() -> None:
    for attribute in ATTRIBUTES:
        assert attribute.field in metadata.tables[TABLES[attribute.level]].columns


def test_the_names_that_need_no_sqlalchemy_are_those_of_the_tables() -> None:
    for level in PARENTS:
        assert list(row_columns(level)) == metadata.tables[TABLES[level]].columns.keys()


def test_rows_are_made_in_the_order_of_the_columns() -> None:
    (made,) = _rows.prepare([make_entry()])
    row = _rows.instance_row(1, 2, 3, made, other_patient=False)
    named = dict(zip(metadata.tables[TABLES[Level.INSTANCE]].columns.keys(), row, strict=True))
    instance = made.entry.instance
    assert named["sop_uid"] == instance.sop_uid
    assert named["sop_class_uid"] == instance.sop_class_uid
    assert named["transfer_syntax_uid"] == instance.transfer_syntax_uid
    assert (named["instance_number"], named["storage_key"], named["size"]) == (1, made.entry.key, instance.size)


@pytest.mark.parametrize("url", ["postgresql+psycopg://", "mysql+mysqldb://"])
def test_the_tables_can_be_written_for_other_databases(url: str) -> None:
    dialect = make_url(url).get_dialect()()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "CREATE" in str(CreateIndex(index).compile(dialect=dialect))
