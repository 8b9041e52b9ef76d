"""Ingest into S3 over a link with latency, against one file at a time, and many senders against one: times as fast.

Needs a server: `python3 tools/services.py start s3`, and `eval "$(python3 tools/services.py env)"`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from corpus import ct_template, instances, write_files
from minio import Minio
from rows import row, show

from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Status, ingest_files

_LATENCY = 0.05
_PROXY = """
import sys
from dicom_common.testing import Endpoint, FaultProxy
host, port, latency = sys.argv[1:]
with FaultProxy(Endpoint(host, int(port)), style="s3") as proxy:
    proxy.latency = float(latency)
    print(proxy.endpoint, flush=True)
    sys.stdin.read()
    print(proxy.peak_in_flight, flush=True)
"""
ONE_AT_A_TIME = {"ingest.batch_instances": "1", "ingest.in_flight": "1", "storage.pool_size": "1"}


@contextmanager
def slow_link(server: str, latency: float = _LATENCY) -> Iterator[str]:
    """Give an endpoint at which every request waits first. A process of its own: it is no part of what is measured."""
    host, port = server.rsplit(":", 1)
    process = subprocess.Popen(
        [sys.executable, "-c", _PROXY, host, port, str(latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise AssertionError("it was asked for")
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def settings_of(endpoint: str, keys: tuple[str, str], bucket: str) -> dict[str, str]:
    """Give the settings of a bucket."""
    return {
        "storage.backend": "s3",
        "storage.endpoint": endpoint,
        "storage.bucket": bucket,
        "storage.access_key": keys[0],
        "storage.secret_key": keys[1],
    }


@contextmanager
def _bucket(admin: Minio) -> Iterator[str]:
    """Make a bucket that is there for the block."""
    bucket = f"bench-{uuid4().hex}"
    admin.make_bucket(bucket)
    yield bucket
    for found in list(admin.list_objects(bucket, recursive=True)):
        admin.remove_object(bucket, found.object_name or "")
    admin.remove_bucket(bucket)


def seconds(files: Sequence[Path], overrides: dict[str, str], jobs: int | None) -> float:
    """Ingest into a new installation, start of the worker processes included."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config.load(overrides={"data": folder, **overrides}, variables={})
        begin = time.perf_counter()
        statuses = [result.status for result in ingest_files(config, files, tenant="local", jobs=jobs)]
        taken = time.perf_counter() - begin
    if statuses != [Status.STORED] * len(files):
        raise AssertionError("the benchmark's files were not all stored")
    return taken


def rate_of_senders(data: Sequence[bytes], overrides: dict[str, str], senders: int) -> float:
    """Store single instances with so many threads into a new installation, and return how many a second."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config.load(overrides={"data": folder, **overrides}, variables={})
        with Services(config) as services, Ingest(services) as ingest:

            def send(mine: Sequence[bytes]) -> None:
                for one in mine:
                    [result] = ingest.store([Received(source=one, name="made")], tenant="local")
                    if result.status is not Status.STORED:
                        raise AssertionError(f"the benchmark's instance was not stored: {result.reason}")

            send(data[:2])  # opens everything
            with ThreadPoolExecutor(senders) as threads:
                begin = time.perf_counter()
                list(threads.map(send, [data[2 + number :: senders] for number in range(senders)]))
                return (len(data) - 2) / (time.perf_counter() - begin)


def run(count: int = 500, rounds: int = 3) -> list[dict[str, Any]]:
    """Measure; the ratio is that of the times of one round, the two taken one after the other."""
    server = os.environ["DICOM_COMMON_TEST_S3"]
    keys = (os.environ["DICOM_COMMON_TEST_S3_ACCESS_KEY"], os.environ["DICOM_COMMON_TEST_S3_SECRET_KEY"])
    admin = Minio(server, access_key=keys[0], secret_key=keys[1], secure=False, region="us-east-1")
    ratios, rates, crowds = [], [], []
    with tempfile.TemporaryDirectory() as folder, slow_link(server) as endpoint:
        files = write_files(Path(folder), ct_template(512), count)
        for _ in range(rounds):
            taken = []
            for more, jobs in ((ONE_AT_A_TIME, 1), ({}, None)):
                with _bucket(admin) as bucket:
                    taken.append(seconds(files, {**settings_of(endpoint, keys, bucket), **more}, jobs))
            ratios.append(taken[0] / taken[1])
            rates.append(count / taken[1])
        data = list(instances(ct_template(64), 2 + 16 * 12))
        for _ in range(rounds + 2):
            reached = []
            for senders, some in ((1, data[:18]), (16, data)):
                with _bucket(admin) as bucket:
                    reached.append(rate_of_senders(some, settings_of(endpoint, keys, bucket), senders))
            crowds.append(reached[1] / reached[0])
    unit = f"times as fast ({statistics.median(rates):.0f} files/s)"
    return [
        row(f"ingest of {count} files of 500 KB into S3, 50 ms away, against one at a time", ratios, 8.0, unit=unit),
        row("16 senders of single instances of 15 KB into S3, 50 ms away, against one", crowds, 8.0),
    ]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
