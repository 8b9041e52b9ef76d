"""Ingest into S3 over a link with latency, against one file at a time: how many times as fast.

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from corpus import ct_template, write_files
from minio import Minio
from rows import row, show

from dicom_common.host import Config
from dicom_common.pipeline import Status, ingest_files

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


def run(count: int = 500, rounds: int = 3) -> list[dict[str, Any]]:
    """Measure; the ratio is that of the times of one round, the two taken one after the other."""
    server = os.environ["DICOM_COMMON_TEST_S3"]
    keys = (os.environ["DICOM_COMMON_TEST_S3_ACCESS_KEY"], os.environ["DICOM_COMMON_TEST_S3_SECRET_KEY"])
    admin = Minio(server, access_key=keys[0], secret_key=keys[1], secure=False, region="us-east-1")
    ratios, rates = [], []
    with tempfile.TemporaryDirectory() as folder, slow_link(server) as endpoint:
        files = write_files(Path(folder), ct_template(512), count)
        for _ in range(rounds):
            taken = []
            for more, jobs in ((ONE_AT_A_TIME, 1), ({}, None)):
                bucket = f"bench-{uuid4().hex}"
                admin.make_bucket(bucket)
                taken.append(seconds(files, {**settings_of(endpoint, keys, bucket), **more}, jobs))
                for found in list(admin.list_objects(bucket, recursive=True)):
                    admin.remove_object(bucket, found.object_name or "")
                admin.remove_bucket(bucket)
            ratios.append(taken[0] / taken[1])
            rates.append(count / taken[1])
    unit = f"times as fast ({statistics.median(rates):.0f} files/s)"
    return [
        row(f"ingest of {count} files of 500 KB into S3, 50 ms away, against one at a time", ratios, 8.0, unit=unit)
    ]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
