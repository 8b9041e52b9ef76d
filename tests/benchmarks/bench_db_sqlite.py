"""How close the index on SQLite comes to bare sqlite3: ratios within one run, the two taking turns."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from ct_batches import BATCH, FINDS, QUERIES, entries, fill, said_by, timed
from rows import row, show

from dicom_common.core import Query
from dicom_common.db.sqlite import Settings, SqliteDatabase

BATCHES, ROUNDS = 8, 5
_TABLES = ("tenant", "patient", "study", "series", "instance", "instance_json", "series_class", "request_item")


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
    connection.executescript("PRAGMA synchronous=full; PRAGMA foreign_keys=ON; PRAGMA cache_size=-65536")
    return connection


def _rows_by_batch(path: Path) -> list[dict[str, list[tuple[Any, ...]]]]:
    """Read back what `add` has written, batch by batch: what the bare driver is going to write."""
    with closing(_bare(path)) as connection:
        last = dict.fromkeys(_TABLES, 0)
        batches: list[dict[str, list[tuple[Any, ...]]]] = []
        for batch in range(1, BATCHES + 1):
            upto = {"instance": batch * BATCH, "series": batch * 10, "study": batch * 5, "patient": batch * 5}
            some = {}
            for table in _TABLES:
                key = {"instance_json": "instance_fk", "series_class": "series_fk", "request_item": "series_fk"}.get(
                    table, "pk"
                )
                end = upto.get({"instance_json": "instance", "series_class": "series", "request_item": "series"}.get(
                    table, table), 1)  # fmt: skip
                some[table] = connection.execute(
                    f"SELECT * FROM {table} WHERE {key} > ? AND {key} <= ?", (last[table], end)
                ).fetchall()
                last[table] = end
            batches.append(some)
    return batches


def _write_bare(connection: sqlite3.Connection, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table, some in rows.items():
        if some:
            connection.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(some[0]))})", some)
    connection.execute("COMMIT")


def bench_add(folder: Path) -> dict[str, Any]:
    """Batches of 1,000 instances, durable, against `executemany` of the very same rows into the same tables."""
    batches = [entries(batch) for batch in range(BATCHES)]
    with closing(SqliteDatabase(Settings(path=folder / "model.sqlite"))) as model:
        for batch in batches:
            model.add(batch)
    rows = _rows_by_batch(folder / "model.sqlite")
    assert sum(len(some["instance"]) for some in rows) == BATCH * BATCHES
    ratios = []
    for turn in range(ROUNDS):
        SqliteDatabase(Settings(path=folder / f"bare-{turn}.sqlite")).close()
        ours = SqliteDatabase(Settings(path=folder / f"ours-{turn}.sqlite"))
        with closing(ours), closing(_bare(folder / f"bare-{turn}.sqlite")) as bare:
            took_ours = took_bare = 0.0
            for batch, some in zip(batches, rows, strict=True):
                took_bare += timed(partial(_write_bare, bare, some))
                took_ours += timed(partial(ours.add, batch))
        ratios.append(took_bare / took_ours)
    return row("index, add of 1,000 a batch: rate of bare executemany", ratios, 0.65, unit="of its rate")


def bench_find(folder: Path) -> list[dict[str, Any]]:
    """Searches of the first page, against the same statements on the bare driver."""
    path = folder / "find.sqlite"
    results = []
    with closing(SqliteDatabase(Settings(path=path))) as database, closing(_bare(path)) as bare:
        fill(database)
        for name, keys in QUERIES.items():
            query, said = said_by(database, keys)
            on_bare, on_ours = partial(_ask_bare, bare, said), partial(_ask, database, query)
            ratios = [timed(on_ours) / timed(on_bare) for _ in range(3 * ROUNDS)]
            results.append(
                row(f"index, find by {name}: time of bare sqlite3", ratios, 3, better="lower", unit="of its time")
            )
    return results


def _ask(database: SqliteDatabase, query: Query) -> None:
    for _ in range(FINDS):
        database.find(query)


def _ask_bare(connection: sqlite3.Connection, said: Sequence[tuple[str, Any]]) -> None:
    for _ in range(FINDS):
        for text, parameters in said:
            connection.execute(text, parameters).fetchall()


def run() -> list[dict[str, Any]]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        return [bench_add(Path(name)), *bench_find(Path(name))]


if __name__ == "__main__":
    show(run())
