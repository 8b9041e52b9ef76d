"""Searches that are answered at once: when they are, and when they are left to a thread."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_common.core import BackendError, Level, Like, OneOf, Query, UnavailableError
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.db.sqlite._brief import FEW
from dicom_common.testing import make_entry, make_instance

FAR = 40
"""Tries until a search is taken for brief: on a busy machine one may take longer than it should."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(Settings(path=tmp_path / "index.sqlite"))) as database:
        database.add([make_entry(make_instance(n, study=n)) for n in range(1, 101)])
        yield database


def by_uid(*numbers: int) -> Query:
    uids = tuple(f"1.2.3.{n}" for n in numbers)
    return Query(
        tenant="local",
        level=Level.STUDY,
        conditions=(OneOf("StudyInstanceUID", uids),),
        fields=("PatientID",),
        limit=1000,
    )


def becomes_brief(database: SqliteDatabase, query: Query) -> bool:
    for _ in range(FAR):
        expected = database.find(query)
        if (found := database.find_briefly(query)) is not None:
            assert found == expected
            return True
    return False


def test_a_search_is_brief_once_one_of_its_shape_was_answered(database: SqliteDatabase) -> None:
    assert database.find_briefly(by_uid(1)) is None
    assert becomes_brief(database, by_uid(1))
    found = [database.find_briefly(by_uid(n)) == database.find(by_uid(n)) for n in range(1, 101)]
    assert any(found)


@pytest.mark.parametrize(
    "query",
    [
        replace(by_uid(1), conditions=()),
        replace(by_uid(1), conditions=(Like("PatientID", "*1"),)),
        replace(by_uid(1), limit=None),
        by_uid(*range(1, FEW + 2)),
    ],
    ids=["all", "a pattern", "no limit", "many matches"],
)
def test_what_may_take_long_is_never_brief(database: SqliteDatabase, query: Query) -> None:
    assert not becomes_brief(database, query)


def test_as_many_as_may_be_are_brief_and_one_more_is_not(database: SqliteDatabase) -> None:
    assert becomes_brief(database, by_uid(*range(1, FEW + 1)))


def test_a_search_that_takes_longer_is_given_up_and_left_to_a_thread_next_time(database: SqliteDatabase) -> None:
    """The study's one series becomes thousands, which are sorted through for what is computed."""
    query = replace(by_uid(1), fields=("PatientID", "ModalitiesInStudy", "SOPClassesInStudy"))
    assert becomes_brief(database, query)
    database.add([make_entry(make_instance(n, study=1, series=n)) for n in range(200, 8200)])
    assert database.find_briefly(query) is None
    assert not database._shapes.knows(query)
    assert len(database.find(query)) == 1


def test_a_search_that_was_given_up_is_not_compiled_anew_each_time(database: SqliteDatabase) -> None:
    """Python 3.11 keeps a statement that failed for one in use."""
    of_study = [replace(by_uid(n), fields=("PatientID", "ModalitiesInStudy", "SOPClassesInStudy")) for n in (1, 2)]
    assert becomes_brief(database, of_study[0])
    database.add([make_entry(make_instance(n, study=1, series=n)) for n in range(200, 8200)])
    assert database.find_briefly(of_study[0]) is None
    assert becomes_brief(database, of_study[1])
    compiled = []

    def may(*what: object) -> int:
        compiled.append(what)
        return sqlite3.SQLITE_OK

    (session,) = database._connections._brief
    # SQLite asks whether a statement is allowed while it compiles it; to say so, it compiles all of them once more.
    session.raw.set_authorizer(may)
    assert becomes_brief(database, of_study[1])
    assert compiled
    compiled.clear()
    for _ in range(3):
        assert becomes_brief(database, of_study[1])
    assert not compiled


def test_a_connection_on_which_a_statement_failed_is_not_lent_again(database: SqliteDatabase) -> None:
    with pytest.raises(BackendError), database._connections.reading() as failed:
        failed.rows("SELECT abs(-9223372036854775808)", ())
    with database._connections.reading() as session:
        assert session is not failed
    with pytest.raises(sqlite3.ProgrammingError):
        failed.rows("SELECT 1", ())


def test_a_search_in_a_thread_opens_the_connection_of_brief_ones(database: SqliteDatabase) -> None:
    query = by_uid(1)
    for _ in range(FAR):
        database.find(query)
    assert not database._connections._brief, "nobody has asked for a brief one"
    assert database.find_briefly(query) is None
    assert becomes_brief(database, query)
    assert len(database._connections._brief) == 1


def test_a_writer_delays_nothing(database: SqliteDatabase) -> None:
    assert becomes_brief(database, by_uid(1))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM outbox")
        assert becomes_brief(database, by_uid(1))
        other.execute("ROLLBACK")


def test_no_lock_is_waited_for(database: SqliteDatabase) -> None:
    assert becomes_brief(database, by_uid(1))
    with database._connections.brief() as session:
        assert session is not None
        assert session.rows("PRAGMA busy_timeout", ()) == [(0,)]


def test_a_closed_index_has_nothing_brief(database: SqliteDatabase) -> None:
    assert becomes_brief(database, by_uid(1))
    database.close()
    assert database.find_briefly(by_uid(1)) is None
    with pytest.raises(UnavailableError):
        database.find(by_uid(1))


def test_a_forked_child_has_a_connection_of_its_own(database: SqliteDatabase) -> None:
    assert becomes_brief(database, by_uid(1))
    child = os.fork()
    if not child:
        os._exit(0 if becomes_brief(database, by_uid(2)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert becomes_brief(database, by_uid(3))
