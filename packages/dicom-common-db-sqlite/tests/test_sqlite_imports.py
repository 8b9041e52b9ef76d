"""What opening and using an index imports, in a process of its own: no other product, and Alembic only to migrate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys
from pathlib import Path
from dicom_common.core import Level, Query
from dicom_common.db.sqlite import Settings, SqliteDatabase
database = SqliteDatabase(Settings(path=Path(sys.argv[1])))
database.add([])
database.find(Query(tenant="local", level=Level.STUDY))
database.check()
database.close()
print(json.dumps(sorted(sys.modules)))
"""


def imported(path: Path) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True)
    return {".".join(name.split(".")[:3]) for name in json.loads(done.stdout)}


def test_an_index_that_is_up_to_date_needs_no_alembic_and_no_other_dialect(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    assert "alembic" in imported(path), "the first time, the schema is made"
    modules = imported(path)
    assert "alembic" not in modules
    assert "sqlalchemy.dialects.sqlite" in modules
    assert {f"sqlalchemy.dialects.{name}" for name in ("postgresql", "mysql", "oracle", "mssql")} & modules == set()
