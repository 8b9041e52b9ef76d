"""Write the rows of a database of a released version, from which upgrades are tested. Run once for each release:

    python packages/dicom-common-db-sql/tests/write_released.py 0001

The rows are made up, by the code as it is, and kept as they were for ever. A table of that version has to be as it is
in the code, which is so at the time of its release.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import select

import dicom_common.db.sql
from dicom_common.core import Event, Level, Query
from dicom_common.db.sql import _migrate
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.testing import CORPUS, make_entry, make_instance

FOLDER = Path(dicom_common.db.sql.__file__).parent / "released"
UIDS = {Level.STUDY: "StudyInstanceUID", Level.SERIES: "SeriesInstanceUID", Level.INSTANCE: "SOPInstanceUID"}


def fill(database: SqliteDatabase) -> None:
    def events(outcomes: Any) -> list[Event]:
        return [Event(tenant="local", topic="made-up", key=f"k{n}", body=b"{}") for n in range(len(outcomes))]

    database.add([make_entry(one) for one in CORPUS], events=events)
    database.add([make_entry(one, tenant="other") for one in CORPUS[:4]])
    database.add([make_entry(make_instance(n, study=20)) for n in range(3)])
    database.remove("local", "1.2.3.20", None, "1.2.3.20.1.1")
    database.add([make_entry(make_instance(1, study=3, patient_id="ANOTHER"))])


def plain(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def written(version: str, database: SqliteDatabase) -> dict[str, Any]:
    tables = _migrate.tables_of(version)
    with database._dialect.migrating() as connection:
        rows = {
            table.name: [
                {name: plain(value) for name, value in row.items() if value is not None}
                for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in tables.sorted_tables
        }
    found = {
        tenant: {
            level.name: [row[UIDS[level]] for row in database.find(Query(tenant=tenant, level=level))] for level in UIDS
        }
        for tenant in ("local", "other")
    }
    events = [event.id for event in database.pending(1000, relay="", lease=0)]
    return {"version": version, "found": found, "events": events, "discarded": database.discarded(99), "rows": rows}


def main(version: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteDatabase(Settings(path=Path(folder) / "made.sqlite"))) as database,
    ):
        fill(database)
        document = written(version, database)
    FOLDER.mkdir(exist_ok=True)
    lines = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.items()]
    (FOLDER / f"{version}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
