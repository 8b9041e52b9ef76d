"""The frozen SQL is what the expressions say, and what is asked for most needs nothing else."""

from __future__ import annotations

import gc
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.core import AddStatus, AnyOf, Level, Like, OneOf, Query
from dicom_common.db.sql import Frozen, _find
from dicom_common.db.sql._sql import Sql
from dicom_common.db.sql.testing import frozen_sql
from dicom_common.db.sqlite import Settings, SqliteDatabase, _database
from dicom_common.db.sqlite._connections import Connections
from dicom_common.db.sqlite._dialect import FROZEN, SqliteDialect
from dicom_common.testing import make_entry, make_instance


def test_the_frozen_sql_is_what_the_expressions_say(tmp_path: Path) -> None:
    settings = Settings(path=tmp_path / "index.sqlite")
    with closing(Connections(settings)) as connections:
        made = frozen_sql(SqliteDialect(connections, settings.path, Frozen()), has_script=True)
    kept = FROZEN.read_text(encoding="utf-8")
    assert kept.splitlines() == made.splitlines(), "run python3 tools/frozen_sql.py"


def of_other_tables(text: str) -> str:
    """Return what another version had: other columns in every statement, and another last line."""
    *lines, last = text.splitlines()
    return "\n".join([line.replace("study_date", "date_of_study") for line in lines] + [last[:-1] + "-"])


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        FROZEN.read_text(encoding="utf-8")[:50_000],
        FROZEN.read_text(encoding="utf-8").rpartition("\n")[0][:-1],
        of_other_tables(FROZEN.read_text(encoding="utf-8")),
    ],
    ids=["absent", "empty", "cut", "cut at the end", "of other tables"],
)
def test_a_frozen_file_that_does_not_fit_the_code_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str | None
) -> None:
    file = tmp_path / "frozen_sql.txt"
    if wrong is not None:
        file.write_text(wrong, encoding="utf-8")
    monkeypatch.setattr(_database, "FROZEN", file)
    with closing(SqliteDatabase(Settings(path=tmp_path / "index.sqlite"))) as database:
        for number in (1, 2):
            assert database.add([make_entry(make_instance(number))])[0].status is AddStatus.ADDED
        (study,) = database.find(Query(tenant="local", level=Level.STUDY))
        assert (study["StudyInstanceUID"], study["NumberOfStudyRelatedInstances"]) == ("1.2.3.1", 2)
        assert database.schema_differences() == []


def test_statements_of_searches_that_are_forgotten_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_find, "_KEPT_PLANS", 4)
    with closing(SqliteDatabase(Settings(path=tmp_path / "index.sqlite"))) as database:
        database.add([make_entry()])
        before = statements_in_memory()
        for length in range(2, 32):
            same = [OneOf("AccessionNumber", ("1",))] * length
            some = AnyOf((Like("AccessionNumber", "*1"), *same))
            database.count(Query(tenant="local", level=Level.STUDY, conditions=(some,)))
        assert statements_in_memory() <= before + 5


def statements_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, Sql) for one in gc.get_objects())
