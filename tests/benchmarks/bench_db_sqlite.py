"""How close the index on SQLite comes to bare sqlite3: ratios within one run, the two taking turns."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date, time as time_of_day, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rows import row, show

from dicom_common.core import Entry, Level, PersonName, Query, RequestAttributes, parse_query
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.testing import make_entry, make_instance

BATCH, BATCHES, ROUNDS = 1000, 8, 5
STUDIES, FINDS = 2000, 100
_TABLES = ("tenant", "patient", "study", "series", "instance", "instance_json", "series_class", "request_item")
# About what the DICOM JSON of a CT slice takes.
_METADATA = b'{"00080018":{"vr":"UI","Value":["%s"]},"00091001":{"vr":"LT","Value":["' + b"x" * 6000 + b'"]}}'


def entries(batch: int) -> list[Entry]:
    """Make a batch as a CT sends it: ten series of a hundred images each."""
    made = []
    for number in range(BATCH):
        study, series = batch * 5 + number // 200, number // 100 % 2
        instance = make_instance(
            number % 100, study=study, series=series, patient_birth_date=date(1970, 1, 1), patient_sex="M",
            patient_name=PersonName(f"Made^Up{study}"), accession_number=f"A{study}", study_id=f"S{study}",
            referring_physician_name=PersonName("House^Gregory"), study_description="CT of something",
            series_description=f"Axial {series}", manufacturer="Nobody", institution_name="Nowhere",
            station_name="CT1", body_part_examined="HEAD", protocol_name="Head", series_date=date(2026, 1, 1),
            series_time=time_of_day(9, 1), request_attributes=(RequestAttributes(f"SPS{study}", f"RP{study}"),),
            image_type=("ORIGINAL", "PRIMARY", "AXIAL"), instance_creation_date=date(2026, 1, 1),
            instance_creation_time=time_of_day(9, number % 60, 1, number), acquisition_date=date(2026, 1, 1),
            acquisition_time=time_of_day(9, number % 60), content_date=date(2026, 1, 1),
            content_time=time_of_day(9, number % 60, 2), slice_thickness=1.25, spacing_between_slices=1.25,
            image_position_patient=(-125.0, -125.0, number * 1.25), image_orientation_patient=(1.0, 0, 0, 0, 1.0, 0),
            slice_location=number * 1.25, samples_per_pixel=1, photometric_interpretation="MONOCHROME2", rows=512,
            columns=512, bits_allocated=16, bits_stored=12, high_bit=11, pixel_representation=0,
            window_center=(40.0,), window_width=(400.0,), rescale_intercept=-1024.0, rescale_slope=1.0,
        )  # fmt: skip
        made.append(make_entry(instance, metadata=_METADATA % instance.sop_uid.encode()))
    return made


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


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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
                took_bare += _timed(partial(_write_bare, bare, some))
                took_ours += _timed(partial(ours.add, batch))
        ratios.append(took_bare / took_ours)
    return row("index, add of 1,000 a batch: rate of bare executemany", ratios, 0.65, unit="of its rate")


def _fill(database: SqliteDatabase) -> None:
    made = [
        make_entry(
            make_instance(
                number, study=study, patient_id=f"P{study % 1500}", modality=("CT", "MR", "US")[study % 3],
                study_date=date(2020, 1, 1) + timedelta(days=study % 1800), accession_number=f"A{study}",
            )
        )
        for study in range(STUDIES) for number in range(5)
    ]  # fmt: skip
    for start in range(0, len(made), BATCH):
        database.add(made[start : start + BATCH])


def bench_find(folder: Path) -> list[dict[str, Any]]:
    """Searches of the first page, against the same statements on the bare driver."""
    path = folder / "find.sqlite"
    results = []
    with closing(SqliteDatabase(Settings(path=path))) as database, closing(_bare(path)) as bare:
        _fill(database)
        queries = {
            "PatientID": {"PatientID": "P77"},
            "StudyDate range": {"StudyDate": "20220101-20220301"},
            "PatientName prefix": {"PatientName": "made^up12*"},
            "ModalitiesInStudy": {"ModalitiesInStudy": "MR"},
        }
        for name, keys in queries.items():
            query = parse_query("local", Level.STUDY, keys, limit=50)
            said = _statements(database, bare, query)
            assert said[0][0].startswith("SELECT")

            on_bare, on_ours = partial(_ask_bare, bare, said), partial(_ask, database, query)
            ratios = [_timed(on_ours) / _timed(on_bare) for _ in range(3 * ROUNDS)]
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


class _Recorder:
    """A session that notes what it is asked."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw, self.said = raw, list[tuple[str, Any]]()

    def rows(self, text: str, bound: Any) -> list[Any]:
        self.said.append((text, bound))
        return self.raw.execute(text, bound).fetchall()


def _statements(database: SqliteDatabase, raw: sqlite3.Connection, query: Query) -> list[tuple[str, Any]]:
    """Return the statements of a search with their parameters."""
    recorder = _Recorder(raw)
    database._search.find(recorder, database._tenants[query.tenant], query)  # type: ignore[arg-type]  # it reads only
    return recorder.said


def run() -> list[dict[str, Any]]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as name:
        return [bench_add(Path(name)), *bench_find(Path(name))]


if __name__ == "__main__":
    show(run())
