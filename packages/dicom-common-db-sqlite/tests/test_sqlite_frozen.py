"""The frozen SQL is what the expressions say, and what is asked for most needs nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from dicom_common.db.sql import Frozen
from dicom_common.db.sql.testing import frozen_sql
from dicom_common.db.sqlite import Settings
from dicom_common.db.sqlite._connections import Connections
from dicom_common.db.sqlite._dialect import FROZEN, SqliteDialect


def test_the_frozen_sql_is_what_the_expressions_say(tmp_path: Path) -> None:
    settings = Settings(path=tmp_path / "index.sqlite")
    with closing(Connections(settings)) as connections:
        made = frozen_sql(SqliteDialect(connections, settings.path, Frozen()), has_script=True)
    kept = FROZEN.read_text(encoding="utf-8")
    assert kept.splitlines() == made.splitlines(), "run python3 tools/frozen_sql.py"
