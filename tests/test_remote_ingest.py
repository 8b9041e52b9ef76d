"""Ingest into an object store that is far away, busy, or gone for a while: what is acknowledged is there, once."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

import pytest
from corpus import ct_template, instances, write_files
from embedded import COMMAND, lines

from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, IngestSettings, Received, Result, ingest_files
from dicom_common.testing import RETRYABLE_FAULTS, Endpoint, Fault, FaultProxy

pytest.importorskip("dicom_common.storage.s3")
minio = pytest.importorskip("minio")

FILES = int(os.environ.get("DICOM_COMMON_TEST_REMOTE_FILES", "300"))
pytestmark = pytest.mark.service("s3")


class Bucket:
    """A bucket of its own, seen from outside by the SDK, and the settings of an installation that keeps it."""

    def __init__(self, server: Endpoint, options: dict[str, str], data: Path) -> None:
        self.name = f"test-{uuid4().hex}"
        self._options = options
        self._data = data
        self._admin = minio.Minio(str(server), **options, secure=False, region="us-east-1")
        self._admin.make_bucket(self.name)

    def overrides(self, endpoint: Endpoint, **more: str) -> dict[str, str]:
        return {
            "data": str(self._data),
            "storage.backend": "s3",
            "storage.bucket": self.name,
            "storage.endpoint": str(endpoint),
            **{f"storage.{key}": value for key, value in self._options.items()},
            **{key.replace("__", "."): value for key, value in more.items()},
        }

    def config(self, endpoint: Endpoint, **more: str) -> Config:
        return Config.load(overrides=self.overrides(endpoint, **more), variables={})

    def digests(self) -> dict[str, str]:
        """Read every object directly."""
        found = {}
        for info in self._admin.list_objects(self.name, recursive=True):
            with closing(self._admin.get_object(self.name, info.object_name)) as answer:
                found[info.object_name] = hashlib.sha256(answer.read()).hexdigest()
        return found

    def uploads(self) -> int:
        """Count the uploads of parts that were begun and neither finished nor abandoned."""
        return len(self._admin._list_multipart_uploads(self.name).uploads)


@pytest.fixture
def bucket(service_endpoint: Endpoint, service_options: dict[str, str], data: Path) -> Bucket:
    return Bucket(service_endpoint, service_options, data)


@pytest.fixture
def proxy(service_endpoint: Endpoint) -> Iterator[FaultProxy]:
    with FaultProxy(service_endpoint, style="s3", seed=5) as made:
        yield made


def _assert_exact(bucket: Bucket, config: Config, files: Sequence[Path]) -> None:
    """Every file is in the bucket and in the index, once and undamaged; nothing else is, but what will be swept."""
    with Services(config) as services:
        stored = list(services.db.walk())
        discarded = set(services.db.discarded(10_000))
    # A process that was killed may have left the probe of a health check; the check of another day deletes it.
    objects = {key: digest for key, digest in bucket.digests().items() if not key.startswith(".dicom-common/probe/")}
    assert sorted(row.sha256 for row in stored) == sorted(hashlib.sha256(f.read_bytes()).hexdigest() for f in files)
    assert {key: digest for key, digest in objects.items() if key not in discarded} == {
        row.key: row.sha256 for row in stored
    }
    assert bucket.uploads() == 0


def _inject(proxy: FaultProxy, rate: float) -> None:
    """Let requests of large writes fail; but each that begins one is either not made or answered.

    Where that answer is lost, the store has begun what only a rule of its life cycle ends: `check` counts it.
    """
    lost = {Fault.LOST_ANSWER, Fault.RESET_IN_ANSWER, Fault.TRUNCATED_ANSWER}
    begins = "[?&]uploads(?![^=&])"
    proxy.inject(*(fault for fault in RETRYABLE_FAULTS if fault not in lost), target=begins, rate=rate, times=None)
    proxy.inject(*RETRYABLE_FAULTS, target=f"^(?!.*{begins})", rate=rate, times=None)


def _statuses(results: Sequence[Result]) -> Counter[str]:
    return Counter(f"{result.status} {result.reason}".strip() for result in results)


def test_with_faults_of_each_kind_everything_is_stored_once_and_undamaged(
    bucket: Bucket, proxy: FaultProxy, service_endpoint: Endpoint, small_files: Callable[[int], list[Path]]
) -> None:
    files = small_files(FILES)
    config = bucket.config(proxy.endpoint, storage__read_timeout="1", storage__deadline="30")
    proxy.inject(*RETRYABLE_FAULTS, rate=0.05, times=None)

    first = list(ingest_files(config, files, tenant="local", jobs=2))
    again = list(ingest_files(config, files, tenant="local", jobs=2))

    assert _statuses(first) == {"stored": FILES}
    assert _statuses(again) == {"duplicate same-bytes": FILES}
    if FILES >= 300:
        assert set(proxy.injected) == set(RETRYABLE_FAULTS), "each kind was tried"
    _assert_exact(bucket, bucket.config(service_endpoint), files)


def test_large_files_in_parts_survive_faults_too(
    bucket: Bucket, proxy: FaultProxy, service_endpoint: Endpoint, tmp_path: Path
) -> None:
    files = write_files(tmp_path / "files", ct_template(2400), 3)  # 11 MB each
    config = bucket.config(proxy.endpoint, storage__read_timeout="3", storage__part_size=str(5 << 20))
    _inject(proxy, 0.15)

    results = list(ingest_files(config, files, tenant="local", jobs=1))

    assert _statuses(results) == {"stored": 3}
    _assert_exact(bucket, bucket.config(service_endpoint), files)


@pytest.mark.parametrize(("rows", "count"), [(100, 6), (700, 4), (2400, 3)])
def test_streams_that_cannot_be_read_again_survive_faults_too(  # noqa: PLR0917 - each is a fixture or a parameter
    bucket: Bucket, proxy: FaultProxy, service_endpoint: Endpoint, tmp_path: Path, rows: int, count: int
) -> None:
    files = write_files(tmp_path / "files", ct_template(rows), count)
    config = bucket.config(proxy.endpoint, storage__read_timeout="3", storage__part_size=str(5 << 20))
    _inject(proxy, 0.1)

    with Services(config) as services, Ingest(services) as ingest, ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(["cat", path], stdout=subprocess.PIPE)) for path in files]
        streams = [process.stdout for process in processes if process.stdout]
        results = ingest.store(
            [Received(source=cast("BinaryIO", one), name="a pipe") for one in streams], tenant="local"
        )

    assert _statuses(results) == {"stored": len(files)}
    _assert_exact(bucket, bucket.config(service_endpoint), files)


def test_an_ingest_goes_on_when_the_store_is_back(
    bucket: Bucket, proxy: FaultProxy, service_endpoint: Endpoint, small_files: Callable[[int], list[Path]]
) -> None:
    files = small_files(200)
    config = bucket.config(proxy.endpoint, storage__attempts="2", storage__deadline="0.5", ingest__batch_instances="20")
    results: list[Result] = []
    back = threading.Timer(3, proxy.clear)
    for result in ingest_files(config, files, tenant="local", jobs=1):
        results.append(result)
        if len(results) == 60:
            proxy.inject(Fault.RESET_BEFORE, times=None)
            back.start()
    back.join()

    assert proxy.injected[Fault.RESET_BEFORE] > 0
    assert _statuses(results) == {"stored": 200}
    _assert_exact(bucket, bucket.config(service_endpoint), files)


def test_a_store_that_stays_away_is_told_and_another_ingest_completes_the_first(
    bucket: Bucket, proxy: FaultProxy, service_endpoint: Endpoint, small_files: Callable[[int], list[Path]]
) -> None:
    files = small_files(60)
    config = bucket.config(
        proxy.endpoint,
        storage__attempts="2",
        storage__deadline="0.5",
        ingest__batch_instances="20",
        ingest__retry_timeout="0",
    )
    results: list[Result] = []
    for result in ingest_files(config, files, tenant="local", jobs=1):
        results.append(result)
        if len(results) == 20:
            proxy.inject(Fault.RESET_BEFORE, times=None)
    failed = [result for result in results if result.status == "rejected"]
    assert failed
    assert {(result.reason, result.retry) for result in failed} == {("storage-unavailable", True)}

    again = list(ingest_files(bucket.config(service_endpoint), files, tenant="local", jobs=1))

    acknowledged = {result.name for result in results} - {result.name for result in failed}
    assert {r.name for r in again if r.status == "duplicate"} >= acknowledged
    _assert_exact(bucket, bucket.config(service_endpoint), files)


def _variables(overrides: dict[str, str]) -> dict[str, str]:
    given = {f"DICOM_COMMON_{key.upper().replace('.', '__')}": value for key, value in overrides.items()}
    return {**os.environ, **given}


@pytest.mark.kills
def test_an_ingest_that_is_killed_is_completed_and_reconcile_finds_nothing_amiss(
    bucket: Bucket,
    proxy: FaultProxy,
    service_endpoint: Endpoint,
    tmp_path: Path,
    small_files: Callable[[int], list[Path]],
) -> None:
    files = small_files(200)
    proxy.latency = 0.02
    slow = _variables(bucket.overrides(proxy.endpoint, ingest__batch_instances="10"))
    near = _variables(bucket.overrides(service_endpoint))
    acknowledged: dict[str, dict[str, Any]] = {}
    for answers in (15, 60):
        process = subprocess.Popen(
            [*COMMAND, "ingest", "--json", "--jobs", "2", str(tmp_path / "files")],
            env=slow,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        text = "".join(itertools.islice(process.stdout, answers))
        os.killpg(process.pid, signal.SIGKILL)
        text += process.stdout.read()
        process.stdout.close()
        process.wait()
        acknowledged |= {line["path"]: line for line in lines(text[: text.rfind("\n") + 1])}
    assert len(acknowledged) >= 60
    objects = bucket.digests()
    for path, answer in acknowledged.items():
        assert objects[answer["key"]] == hashlib.sha256(Path(path).read_bytes()).hexdigest()

    def command(*arguments: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*COMMAND, *arguments, "--json"], env=near, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return lines(done.stdout)

    statuses = Counter(line["status"] for line in command("ingest", str(tmp_path / "files")))
    assert statuses.keys() <= {"stored", "duplicate"}
    assert command("reconcile")[-1]["differences"] == {}
    assert {line["kind"]: line["status"] for line in command("check")}["storage"] == "ok"
    _assert_exact(bucket, bucket.config(service_endpoint), files)


def test_many_objects_are_in_flight_so_that_latency_does_not_add_up(bucket: Bucket, proxy: FaultProxy) -> None:
    received = [Received(source=data, name=str(at)) for at, data in enumerate(instances(ct_template(64), 97))]
    with Services(bucket.config(proxy.endpoint)) as services, Ingest(services, IngestSettings()) as ingest:
        ingest.store(received[:1], tenant="local")  # opens everything

        def store(*batches: Sequence[Received]) -> None:
            for batch in batches:
                assert {result.status for result in ingest.store(batch, tenant="local")} == {"stored"}

        proxy.reset_counts()
        store(*([item] for item in received[1:33]))
        assert proxy.peak_in_flight == 1
        proxy.latency = 0.5  # long beside what a busy machine needs to send them all
        proxy.reset_counts()
        store(received[33:])
        pool_size = 32
        # Requests that overlap share the latency. Seconds would say how busy this machine is.
        assert pool_size / 2 <= proxy.peak_in_flight <= pool_size


def test_senders_of_single_instances_do_not_wait_for_each_others_latency(bucket: Bucket, proxy: FaultProxy) -> None:
    senders, each = 16, 3
    received = [Received(source=data, name=str(at)) for at, data in enumerate(instances(ct_template(64), 49))]
    with Services(bucket.config(proxy.endpoint)) as services, Ingest(services) as ingest:

        def send(items: Sequence[Received]) -> None:
            for item in items:
                assert ingest.store([item], tenant="local")[0].status == "stored"

        send(received[:1])  # opens everything
        proxy.latency = 0.5  # long beside what a busy machine needs to begin them all
        proxy.reset_counts()
        threads = [threading.Thread(target=send, args=(received[1 + at :: senders],)) for at in range(senders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert proxy.peak_in_flight >= senders / 2
        assert len(list(services.db.walk())) == 1 + senders * each
