"""Four workers against one, where each read of the storage takes 20 ms longer: how many times as fast they index.

PostgreSQL, Kafka and S3 (behind a proxy that delays each request) are all that the workers have in common. Each reads
one object at a time (`worker.in_flight = 1`): with its usual 32 one worker hides the delay by itself, and there is
nothing for others to win. They have joined their group, and are held with SIGSTOP until the queue is full.

Needs servers: `python3 tools/services.py start postgres kafka s3`, and `eval "$(python3 tools/services.py env)"`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from bench_ingest_s3 import settings_of, slow_link
from corpus import instances, small_template
from minio import Minio
from rows import row, show

from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received

_DELAY = 0.02
_HANG = 120
_SERVERS = ("POSTGRES", "KAFKA", "S3")


class _Installation:
    """An index, topics and a bucket of its own, on the servers of the environment."""

    def __init__(self, folder: Path, slow: str) -> None:
        self._mark = uuid4().hex[:12]
        self._host, self._port = os.environ["DICOM_COMMON_TEST_POSTGRES"].rsplit(":", 1)
        server = os.environ["DICOM_COMMON_TEST_S3"]
        keys = (os.environ["DICOM_COMMON_TEST_S3_ACCESS_KEY"], os.environ["DICOM_COMMON_TEST_S3_SECRET_KEY"])
        admin = Minio(server, access_key=keys[0], secret_key=keys[1], secure=False, region="us-east-1")
        bucket = f"bench-{self._mark}"
        admin.make_bucket(bucket)
        self._sql("postgres", f"CREATE DATABASE bench_{self._mark} TEMPLATE template0")
        shared = {
            "data": str(folder),
            "db.backend": "postgres",
            "db.host": self._host,
            "db.port": self._port,
            "db.user": "postgres",
            "db.database": f"bench_{self._mark}",
            "broker.backend": "kafka",
            "broker.servers": f'["{os.environ["DICOM_COMMON_TEST_KAFKA"]}"]',
            "ingest.mode": "queued",
            "worker.in_flight": "1",
            "worker.batch_seconds": "0.1",
            "worker.group": f"workers-{self._mark}",
            **{f"topics.{name}": f"{name}-{self._mark}" for name in ("storage", "log", "state", "image")},
        }
        self.near, self._far = ({**shared, **settings_of(each, keys, bucket)} for each in (server, slow))

    @contextmanager
    def workers(self, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run workers, which read from far away."""
        variables = {f"DICOM_COMMON_{key.replace('.', '__').upper()}": value for key, value in self._far.items()}
        command = [sys.executable, "-m", "dicom_common.cli", "worker"]
        processes = [
            subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.DEVNULL) for _ in range(count)
        ]
        try:
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def indexed(self) -> int:
        """Count the instances of the index."""
        return int(self._sql(f"bench_{self._mark}", "SELECT count(*) FROM instance")[0][0])

    def members(self) -> int:
        """Count the workers that have indexed something."""
        return int(self._sql(f"bench_{self._mark}", "SELECT count(DISTINCT worker_node) FROM received_log")[0][0])

    def queue(self, count: int, first: int = 0) -> None:
        """Take instances in, each of a series of its own: so the partitions, and the workers, get shares alike."""
        with Services(Config.load(overrides=self.near, variables={})) as services, Ingest(services) as ingest:
            services.db.backlog()  # makes the tables
            made = list(instances(small_template(), first + count, per_series=1))[first:]
            received = [Received(source=each, name=str(number)) for number, each in enumerate(made)]
            if any(result.status != "queued" for result in ingest.store(received, tenant="local")):
                raise AssertionError("the benchmark's instances were not all queued")

    def wait_for(self, count: int) -> None:
        """Wait until so many are indexed."""
        end = time.monotonic() + _HANG
        while self.indexed() < count:
            if time.monotonic() > end:
                raise AssertionError("the workers do not go on")
            time.sleep(0.01)

    def _sql(self, database: str, statement: str) -> list[Any]:
        with psycopg.connect(
            host=self._host, port=int(self._port), user="postgres", dbname=database, autocommit=True
        ) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []


def _seconds(slow: str, workers: int, count: int) -> float:
    """Return how long so many workers take for a queue that is full when they begin."""
    with tempfile.TemporaryDirectory() as folder:
        installation = _Installation(Path(folder), slow)
        warm = 24
        installation.queue(warm)
        with installation.workers(workers) as processes:
            installation.wait_for(warm)
            while installation.members() < workers:  # until the partitions are shared out among all
                time.sleep(1)
                installation.queue(24, warm)
                installation.wait_for(warm := warm + 24)
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            installation.queue(count, warm)
            begin = time.perf_counter()
            for process in processes:
                process.send_signal(signal.SIGCONT)
            installation.wait_for(warm + count)
            return time.perf_counter() - begin


def run(count: int = 480, rounds: int = 3) -> list[dict[str, Any]]:
    """Measure; a round is one worker, then four."""
    if missing := [name for name in _SERVERS if f"DICOM_COMMON_TEST_{name}" not in os.environ]:
        print(f"bench_worker_scale: no server for {', '.join(missing)}: see tools/services.py", file=sys.stderr)
        return []
    with slow_link(os.environ["DICOM_COMMON_TEST_S3"], _DELAY) as slow:
        times = [(_seconds(slow, 1, count), _seconds(slow, 4, count)) for _ in range(rounds)]
    ratios = [alone / together for alone, together in times]
    rate = sorted(count / together for _, together in times)[rounds // 2]
    return [row("four workers / one, 20 ms a read", ratios, 3.0, unit=f"times as fast ({rate:.0f} instances/s)")]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
