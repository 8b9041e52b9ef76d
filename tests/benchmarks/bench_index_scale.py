"""Whether the index holds when it grows: searches and the rate of ingest at many instances, against ten thousand.

By default many are 100,000; `DICOM_COMMON_BENCH_INSTANCES=1000000` makes it a million (10,000 studies). Every database
that is at hand is measured: SQLite, and the servers that `python3 tools/services.py start postgres mysql` has started.
What was filled stays for the next run, SQLite's files in the folder `DICOM_COMMON_BENCH_FOLDER`. A run that was
interrupted goes on where it stopped.

Both sizes are asked in turn, for answers of about the same size: of a page, or of a few studies. What differs is how
much there is beside them. (Ten thousand instances have no fifty studies of a modality: that ratio is so much worse.)
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from population import DAYS, FIRST_DAY, PER_STUDY, TENANT, Study, batches, population
from rows import row, show
from sql_targets import Bare, Said, Target, marks, said_by, targets

from dicom_common.core import Level, Query
from dicom_common.db.sql import SqlDatabase
from dicom_common.dicom import parse_query

FEW = 10_000
MANY = int(os.environ.get("DICOM_COMMON_BENCH_INSTANCES", "100000"))
FOLDER = Path(os.environ.get("DICOM_COMMON_BENCH_FOLDER", Path(tempfile.gettempdir()) / "dicom-common-scale"))
BATCH, PAGE, ROUNDS = 1000, 50, 5
QUERIES = int(os.environ.get("DICOM_COMMON_BENCH_QUERIES", "100"))
"""Searches of each kind and round; the p99 of a round is the slowest but one of a hundred."""
WINDOW = 8
"""Batches over which a rate of ingest is taken."""
PROMISED = ("PatientID", "StudyDate range", "ModalitiesInStudy", "PatientName prefix")
"""What has a target; the other searches are there to be read."""


class Asked(NamedTuple):
    """One database, filled, and the searches of each kind."""

    database: SqlDatabase
    bare: Bare
    queries: dict[str, list[Query]]
    said: dict[str, list[list[Said]]]
    """The statements of each of them."""


def searches(instances: int) -> dict[str, list[Query]]:
    """Make the searches for an index of so many instances, always the same."""
    studies = list(islice(population(), instances // PER_STUDY))
    chance = random.Random(instances)
    kinds: dict[str, list[dict[str, str]]] = {
        "PatientID": _patient_ids(studies),
        "StudyDate range": _ranges(len(studies)),
        "ModalitiesInStudy": [{"ModalitiesInStudy": name} for name in ("MR", "CT")],
        "ModalitiesInStudy, a few": _modalities(studies),
        "ModalitiesInStudy and StudyDate": [{"ModalitiesInStudy": "MR", **keys} for keys in _ranges(len(studies))],
        "PatientName prefix": _prefixes(studies, 8, 25),
        "PatientName prefix, full page": _prefixes(
            studies, PAGE // 2 if len(studies) == FEW // PER_STUDY else PAGE, 300
        ),
        "AccessionNumber": [{"AccessionNumber": f"ACC{study.number:09}"} for study in studies],
        "no key": [{}],
    }
    return {
        kind: [parse_query(TENANT, Level.STUDY, keys, limit=PAGE) for keys in chance.choices(some, k=QUERIES)]
        for kind, some in kinds.items()
    }


def _patient_ids(studies: Sequence[Study]) -> list[dict[str, str]]:
    found = Counter(study.patient_id for study in studies)
    return [{"PatientID": patient} for patient, count in found.items() if count <= 4]


def _ranges(studies: int) -> list[dict[str, str]]:
    """Make ranges of dates with some seventy studies in each, as many days as that takes."""
    days = min(DAYS, DAYS * 70 // studies)
    return [
        {"StudyDate": f"{low:%Y%m%d}-{low + timedelta(days=days):%Y%m%d}"}
        for low in (FIRST_DAY + timedelta(days=day) for day in range(0, DAYS - days + 1, max((DAYS - days) // 97, 1)))
    ]


def _modalities(studies: Sequence[Study]) -> list[dict[str, str]]:
    """Choose the modality that comes nearest to ten studies: at the one size a usual one, at the other a rare one."""
    found = Counter(modality for study in studies for modality in {modality for modality, _ in study.series})
    return [{"ModalitiesInStudy": min(found, key=lambda modality: abs(found[modality] - 10))}]


def _prefixes(studies: Sequence[Study], low: int, high: int) -> list[dict[str, str]]:
    """Choose the beginnings of names, of one letter or more, with so many studies."""
    found: defaultdict[str, int] = defaultdict(int)
    for study in studies:
        for length in range(1, 12):
            found[study.name.alphabetic[:length]] += 1
    chosen = [{"PatientName": f"{prefix}*"} for prefix, count in found.items() if low <= count <= high]
    return chosen or [{"PatientName": f"{max(found, key=lambda prefix: found[prefix])}*"}]


def fill(target: Target, instances: int) -> None:
    """Fill an index up to so many instances, and note how long each batch took."""
    name = _name(instances)
    with closing(target.open(name)) as database:
        there = _there(target, name)
        for batch in batches(instances, BATCH, start=there):
            start = time.perf_counter()
            database.add(batch)
            took = time.perf_counter() - start
            if len(batch) == BATCH:
                with marks(_times(target, instances)) as noted:
                    noted[str(there)] = took
            there += len(batch)
            if there % 100_000 == 0:
                print(f"    {target.name}: {there} instances, {BATCH / took:.0f} a second", flush=True)
    target.analyze(name)


def _name(instances: int) -> str:
    return f"dicom_common_scale_{instances}"


def _times(target: Target, instances: int) -> Path:
    return FOLDER / f"{target.name}-{instances}.json"


def _there(target: Target, name: str) -> int:
    """Tell how many instances an index has: they were added in order, whole batches at a time."""
    with closing(target.bare(name)) as bare:
        ((count,),) = bare.ask("SELECT coalesce(sum(instances), 0) FROM patient", ())
    return int(count)


def ingest_rate(target: Target) -> Iterator[dict[str, Any]]:
    """The rate of the last batches against that at ten thousand instances, as it was when they were added."""
    with marks(_times(target, MANY)) as noted:
        times = [noted[at] for at in sorted(noted, key=int)]
    early, late = times[FEW // BATCH - WINDOW // 2 :][:WINDOW], times[-WINDOW:]
    if len(times) >= FEW // BATCH + 2 * WINDOW:
        spread = [fast / slow for fast, slow in zip(sorted(early), sorted(late), strict=True)]
        ratios = [median(early) / median(late), min(spread), max(spread)]
        made = row(f"{target.name}, ingest rate at {MANY} / at {FEW}", ratios, 0.8, unit="of the rate")
        yield made | {"ratio": round(ratios[0], 2)}


def _asked(target: Target, instances: int) -> Asked:
    name = _name(instances)
    database, queries = target.open(name), searches(instances)
    said = {kind: [said_by(database, query) for query in some] for kind, some in queries.items()}
    return Asked(database, target.bare(name), queries, said)


def find_times(few: Asked, many: Asked, kind: str) -> tuple[list[float], list[float]]:
    """Ask both in turn and return how long each search took."""
    took: tuple[list[float], list[float]] = ([], [])
    for pair in zip(few.queries[kind], many.queries[kind], strict=True):
        for database, query, times in zip((few.database, many.database), pair, took, strict=True):
            times.append(_timed(lambda database=database, query=query: database.find(query)))  # type: ignore[misc]
    return took


def driver_ratio(asked: Asked, kind: str) -> float:
    """The time of `find` against that of the same statements on the bare driver.

    They take turns in going first: the second one of a pair finds the pages in the server's caches.
    """
    ours = bare = 0.0
    for turn, (query, said) in enumerate(zip(asked.queries[kind], asked.said[kind], strict=True)):
        for is_ours in (True, False) if turn % 2 else (False, True):
            if is_ours:
                ours += _timed(lambda query=query: asked.database.find(query))  # type: ignore[misc]  # mypy: a default of a lambda
            else:
                bare += _timed(lambda said=said: [asked.bare.ask(*statement) for statement in said])  # type: ignore[misc]
    return ours / bare


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100, method="inclusive")[98]


def bench_searches(target: Target) -> Iterator[dict[str, Any]]:
    """All searches at both sizes."""
    few, many = _asked(target, FEW), _asked(target, MANY)
    with closing(few.database), closing(few.bare), closing(many.database), closing(many.bare):
        for kind in few.queries:
            find_times(few, many, kind)  # what has never been read is read from the disk now
            rounds = [find_times(few, many, kind) for _ in range(ROUNDS)]
            p50, p99 = (many_over_few(rounds, of) for of in (median, _p99))
            low, high = (1000 * median(median(times[at]) for times in rounds) for at in (0, 1))
            slow = 1000 * median(_p99(times[1]) for times in rounds)
            note = f"{target.name}, {kind}"
            print(f"    {note}: p50 {low:.2f} ms at {FEW}, {high:.2f} ms at {MANY}, p99 {slow:.2f} ms", flush=True)
            target_of = 3.0 if kind in PROMISED else None
            yield row(f"{note}: p50 at {MANY} / at {FEW}", p50, target_of, better="lower", unit="of its time")
            yield row(f"{note}: p99 at {MANY} / at {FEW}", p99, target_of, better="lower", unit="of its time")
            ratios = [driver_ratio(many, kind) for _ in range(ROUNDS)]
            # SQLite answers in microseconds what takes a server a round trip: making an answer of rows is more of it.
            bound = (3.0 if target.name == "sqlite" else 1.5) if kind in PROMISED else None
            yield row(f"{note}: find / bare driver at {MANY}", ratios, bound, better="lower", unit="of its time")


def many_over_few(
    rounds: Sequence[tuple[list[float], list[float]]], of: Callable[[Sequence[float]], float]
) -> list[float]:
    """Return the ratio of each round."""
    return [of(many) / of(few) for few, many in rounds]


def run() -> list[dict[str, Any]]:
    """Measure everything."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made: list[dict[str, Any]] = []
    for target in targets(FOLDER):
        target.provide()
        for instances in (FEW, MANY):
            fill(target, instances)
        made += ingest_rate(target)
        made += bench_searches(target)
    return made


if __name__ == "__main__":
    show(run())
