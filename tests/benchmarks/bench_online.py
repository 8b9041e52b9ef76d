"""Storing one instance a call, as front ends do, with several senders: how many times as fast as others do it.

Beside a bare write, and beside Orthanc over HTTP where it is installed. Every instance is new; the ways take turns.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

from corpus import ct_template, instances
from orthanc import is_installed, orthanc, post
from rows import row, show
from senders import Send, Way, seconds

from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Status

_SENDERS = (1, 4, 8, 16)
_TARGETS = {("15 KB", 1): 1.0, ("15 KB", 4): 1.0, ("15 KB", 8): 1.2} | {
    ("500 KB", 1): 1.2,
    ("500 KB", 4): 1.0,
    ("500 KB", 8): 1.0,
}
"""Against Orthanc."""
_BATCH = 64


class _Bare:
    """What no one can do without: the file, its name and a row, each made durable, one instance after the other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._names = folder, count()
        self._descriptor = os.open(folder, os.O_RDONLY)
        self._database = sqlite3.connect(folder / "index.sqlite", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("CREATE TABLE instance (name PRIMARY KEY, size)")
        self._lock = threading.Lock()

    def send(self, data: bytes) -> None:
        name = str(next(self._names))
        with (self._folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.fsync(self._descriptor)
        with self._lock:
            self._database.execute("INSERT INTO instance VALUES (?, ?)", (name, len(data)))

    @contextmanager
    def way(self) -> Iterator[Send]:
        yield self.send

    def close(self) -> None:
        self._database.close()
        os.close(self._descriptor)


def _ours(ingest: Ingest) -> Way:
    def send(data: bytes) -> None:
        [result] = ingest.store([Received(source=data, name="made")], tenant="local")
        if result.status is not Status.STORED:
            raise AssertionError(f"the benchmark's instance was not stored: {result.reason}")

    @contextmanager
    def way() -> Iterator[Send]:
        yield send

    return way


def _over_http(port: int) -> Way:
    @contextmanager
    def way() -> Iterator[Send]:
        with closing(HTTPConnection("127.0.0.1", port)) as connection:
            yield lambda data: post(connection, data)

    return way


def _processor_ratio(ingest: Ingest, new: Callable[[int], list[bytes]]) -> float:
    """Return how much processor time a store alone takes, in shares of an instance in a batch."""
    taken = []
    for size in (1, _BATCH):
        batches = [[Received(source=one, name="made") for one in new(size)] for _ in range(_BATCH * 2 // size)]
        begun = time.process_time()
        for batch in batches:
            ingest.store(batch, tenant="local")
        taken.append(time.process_time() - begun)
    return taken[0] / taken[1]


def run(rounds: int = 5) -> list[dict[str, Any]]:
    """Measure; the ratios are those of one round, whose ways are taken one after the other."""
    rows = []
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER"))))
        services = stack.enter_context(Services(Config.load(overrides={"data": str(base / "ours")}, variables={})))
        ingest = stack.enter_context(Ingest(services))
        ways = {"": _ours(ingest), "a bare durable write": stack.enter_context(closing(_Bare(base / "bare"))).way}
        if is_installed():
            ways["Orthanc"] = _over_http(stack.enter_context(orthanc(base / "orthanc")))
        made = 0

        def new(template: bytes, number: int) -> list[bytes]:
            nonlocal made
            made += number
            return list(instances(template, number, start=made - number))

        for label, pixels, number in (("15 KB", 64, 160), ("500 KB", 512, 64)):
            template = ct_template(pixels)
            for way in ways.values():
                seconds(way, new(template, 8), 1)
            for senders in _SENDERS:
                ratios: dict[str, list[float]] = {name: [] for name in ways if name}
                for _ in range(rounds):
                    taken = {name: seconds(way, new(template, number), senders) for name, way in ways.items()}
                    for name, found in ratios.items():
                        found.append(taken[name] / taken[""])
                plural = "s" if senders > 1 else ""
                rows += [
                    row(
                        f"store one by one, {label}, {senders} sender{plural}, against {name}",
                        found,
                        _TARGETS.get((label, senders)) if name == "Orthanc" else None,
                    )
                    for name, found in ratios.items()
                ]
        template = ct_template(64)
        shares = [_processor_ratio(ingest, lambda number: new(template, number)) for _ in range(rounds)]
        name = f"processor time of a store alone, 15 KB, against its share in a batch of {_BATCH}"
        rows.append(row(name, shares, 1.8, better="lower", unit="times as much"))
    return rows


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
