"""Streams that cannot be read again: they go into the storage while they arrive, and the contract holds for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pipeline_site import Make, Site, extension_source

from dicom_common.core import BackendError, RefusedError, UnavailableError, Upload
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Result
from dicom_common.storage.filesystem import FilesystemStorage, Settings

LARGE = os.urandom(700_000)
"""More than is held in memory."""
DEFAULT_KEY = "local/20260102/2.25.1.1/2.25.1.1.1/2.25.1.1.1.1.dcm"


class Once(FilesystemStorage):
    """A storage to which nothing may be written twice."""

    write = None  # type: ignore[assignment]  # what arrives as a stream is written by its upload
    write_many = None  # type: ignore[assignment]


class Spooled(FilesystemStorage):
    """A third party's storage: it takes what is whole, one object at a time."""

    open_upload = None  # type: ignore[assignment]
    write_many = None  # type: ignore[assignment]


@pytest.fixture
def pipe() -> Iterator[Callable[[bytes], BinaryIO]]:
    """Send bytes through a pipe, as another process would."""
    senders: list[tuple[threading.Thread, BinaryIO]] = []

    def open_pipe(data: bytes) -> BinaryIO:
        receiving, sending = os.pipe()

        def send() -> None:
            try:
                with os.fdopen(sending, "wb", buffering=0) as stream:
                    for start in range(0, len(data), 50_001):
                        stream.write(data[start : start + 50_001])
            except BrokenPipeError:
                pass

        thread = threading.Thread(target=send)
        thread.start()
        senders.append((thread, os.fdopen(receiving, "rb")))
        return senders[-1][1]

    yield open_pipe
    for thread, stream in senders:
        stream.close()
        thread.join()


Pipe = Callable[[bytes], BinaryIO]


def store(
    site: Site, *sources: Any, kind: type[FilesystemStorage] = FilesystemStorage, **settings: Any
) -> list[Result]:
    """Store in one batch, into a storage of this kind."""
    storage = kind(Settings(root=site.data / "objects"))
    with Services(site.config(**settings), storage=storage) as services, Ingest(services) as ingest:
        received = [Received(source=source, name=str(number)) for number, source in enumerate(sources)]
        results = ingest.store(received, tenant="local")
    storage.close()
    left = [path for path in (site.data / "objects" / ".dicom-common").rglob("*") if path.is_file()]
    assert left == [], "an upload was left"
    return results


def outcome(result: Result) -> tuple[str, str]:
    return str(result.status), result.reason


each_kind = pytest.mark.parametrize("kind", [FilesystemStorage, Spooled])


@pytest.mark.parametrize(("size", "in_memory"), [(0, 256 * 1024), (0, 1), (700_000, 256 * 1024), (3_500_000, 1)])
@each_kind
def test_a_stream_is_stored_byte_by_byte(  # noqa: PLR0917 - each is a fixture or a parameter
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage], size: int, in_memory: int
) -> None:
    data = make(1, payload=(LARGE * 5)[:size])
    [result] = store(site, pipe(data), kind=kind, ingest__in_memory_bytes=in_memory)
    assert outcome(result) == ("stored", "")
    assert site.objects == {DEFAULT_KEY: data}
    site.assert_consistent()


def test_a_large_stream_is_written_once(site: Site, make: Make, pipe: Pipe) -> None:
    data = make(1, payload=LARGE)
    [result] = store(site, pipe(data), kind=Once)
    assert outcome(result) == ("stored", "")
    assert site.objects == {DEFAULT_KEY: data}


@each_kind
def test_streams_and_bytes_share_a_batch(site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage]) -> None:
    made = [make(sop, payload=LARGE if sop % 2 else b"") for sop in range(1, 9)]
    sources = [pipe(data) if number % 3 else data for number, data in enumerate(made)]
    results = store(site, *sources, b"not an instance", pipe(LARGE), pipe(made[0]), kind=kind)
    assert [outcome(result)[0] for result in results] == ["stored"] * 8 + ["rejected"] * 2 + ["duplicate"]
    assert sorted(site.objects.values()) == sorted(made)
    site.assert_consistent()


@each_kind
def test_a_forked_child_writes_streams_with_threads_of_its_own(
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage]
) -> None:
    storage = kind(Settings(root=site.data / "objects"))
    with Services(site.config(), storage=storage) as services, Ingest(services) as ingest:

        def send(*sops: int) -> list[str]:
            received = [Received(source=pipe(make(sop, payload=LARGE)), name=str(sop)) for sop in sops]
            return [str(result.status) for result in ingest.store(received, tenant="local")]

        assert send(1, 2, 3) == ["stored"] * 3
        child = os.fork()
        if not child:
            code = 1
            try:
                signal.alarm(30)  # it would hang
                code = 0 if send(4, 5, 6) == ["stored"] * 3 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert send(7, 8) == ["stored"] * 2
    storage.close()
    assert len(site.rows) == 8
    site.assert_consistent()


@pytest.mark.parametrize(
    ("sends", "duplicates", "expected"),
    [
        ("same bytes", "reject", ("duplicate", "same-bytes")),
        ("same data set", "reject", ("duplicate", "same-data-set")),
        ("same data set", "replace", ("duplicate", "same-data-set")),
        ("other bytes", "reject", ("rejected", "duplicate-differs")),
        ("other bytes", "keep", ("duplicate", "kept-first")),
        ("other bytes", "replace", ("replaced", "")),
    ],
)
@each_kind
def test_the_duplicate_policy_holds_for_streams(  # noqa: PLR0917 - each is a fixture or a parameter
    site: Site,
    make: Make,
    pipe: Pipe,
    kind: type[FilesystemStorage],
    duplicates: str,
    sends: str,
    expected: tuple[str, str],
) -> None:
    first = make(1, payload=LARGE)
    again = {
        "same bytes": first,
        "same data set": make(1, payload=LARGE, sender="ANOTHER"),
        "other bytes": make(1, payload=LARGE[::-1]),
    }[sends]
    store(site, first)
    [result] = store(site, pipe(again), kind=kind, ingest__duplicates=duplicates)
    assert outcome(result) == expected
    kept = again if expected == ("replaced", "") else first
    assert list(site.objects.values()) == [kept], "what was superfluous is gone"
    site.assert_consistent()


@each_kind
def test_an_object_that_a_crash_left_is_taken_or_written_beside(
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage]
) -> None:
    data = make(1, payload=LARGE)
    with Services(site.config()) as services:
        services.storage.write(DEFAULT_KEY, data)
    [result] = store(site, pipe(data), kind=kind)
    assert (outcome(result), result.key) == (("stored", ""), DEFAULT_KEY)
    other = make(2, payload=LARGE)
    with Services(site.config()) as services:
        services.storage.write(DEFAULT_KEY.replace("1.dcm", "2.dcm"), b"half of something")
    [result] = store(site, pipe(other), kind=kind)
    assert outcome(result) == ("stored", "")
    assert result.key is not None
    assert site.objects[result.key] == other
    assert len(site.objects) == 3


@each_kind
def test_a_stream_whose_key_is_about_to_be_deleted_gets_another(
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage]
) -> None:
    data = make(1, payload=LARGE)
    with Services(site.config()) as services:
        services.db.discard([DEFAULT_KEY])
    [result] = store(site, pipe(data), kind=kind)
    assert outcome(result) == ("stored", "")
    assert result.key not in (None, DEFAULT_KEY)
    assert list(site.objects.values()) == [data]
    site.assert_consistent()


@each_kind
def test_an_object_that_was_lost_is_restored_by_a_stream(
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage]
) -> None:
    data = make(1, payload=LARGE)
    store(site, data)
    with Services(site.config()) as services:
        services.storage.delete(DEFAULT_KEY)
    [result] = store(site, pipe(data), kind=kind)
    assert outcome(result) == ("duplicate", "restored")
    assert site.objects == {DEFAULT_KEY: data}


@each_kind
def test_a_stream_is_queued(site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage]) -> None:
    data = make(1, payload=LARGE)
    results = store(site, pipe(data), pipe(data), kind=kind, ingest__mode="queued")
    assert [outcome(result) for result in results] == [("queued", "")] * 2
    assert list(site.objects.values()) == [data] * 2


def test_a_stream_that_is_submitted_was_read_when_that_returns(site: Site, make: Make, pipe: Pipe) -> None:
    made = [make(sop, payload=LARGE) for sop in range(1, 6)]
    with Services(site.config()) as services, Ingest(services) as ingest:
        futures = []
        for data in made:
            with pipe(data) as stream:
                futures.append(ingest.submit(Received(source=stream, name="a pipe"), tenant="local"))
        assert [outcome(future.result(60)) for future in futures] == [("stored", "")] * 5
    assert sorted(site.objects.values()) == sorted(made)
    site.assert_consistent()


_SENDS_ON = """
import os, sys, threading
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from pipeline_site import Site, make_instance
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received

def send(descriptor, data):
    with os.fdopen(descriptor, "wb", buffering=0) as stream:
        for start in range(0, len(data), 50_000):
            stream.write(data[start : start + 50_000])

def take(ingest, first):
    for sop in range(first, 10_000, 3):
        receiving, sending = os.pipe()
        threading.Thread(target=send, args=(sending, make_instance(sop, payload=bytes(900_000))), daemon=True).start()
        with os.fdopen(receiving, "rb") as stream:
            [result] = ingest.store([Received(source=stream, name="a pipe")], tenant="local")
        os.write(1, f"{result.status} {result.sop_uid}\\n".encode())  # whole, whatever the other threads write

with Services(Site(Path(sys.argv[2])).config()) as services, Ingest(services) as ingest:
    threads = [threading.Thread(target=take, args=(ingest, first)) for first in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.kills
def test_what_was_acknowledged_of_streams_is_there_after_a_kill(site: Site, make: Make) -> None:
    command = [sys.executable, "-c", _SENDS_ON, str(Path(__file__).parent), str(site.data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(7)]
        process.kill()
        lines += process.stdout.readlines()
    acknowledged = [line.split() for line in lines if line.endswith("\n")]
    assert {status for status, _ in acknowledged} == {"stored"}
    rows = {row.sop_uid: row for row in site.rows}
    assert {sop_uid for _, sop_uid in acknowledged} <= rows.keys()
    objects = site.objects
    for sop_uid, row in rows.items():
        assert objects[row.key] == make(int(sop_uid.rpartition(".")[2]), payload=bytes(900_000))
    assert len(objects) - len(rows) <= 3, "what was written and not indexed, one of each sender"
    left = [path for path in (site.data / "objects" / ".dicom-common" / "writing").rglob("*") if path.is_file()]
    assert left == []


class Breaking:
    """A stream whose connection breaks."""

    def __init__(self, data: bytes, error: Exception) -> None:
        self._data, self._error = data, error

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        if not self._data:
            raise self._error
        data, self._data = self._data[:size], self._data[size:]
        return data


@pytest.mark.parametrize("error", [OSError("reset"), ConnectionResetError(104, "reset"), ValueError("closed file")])
@each_kind
def test_a_stream_that_breaks_leaves_nothing(
    site: Site, make: Make, kind: type[FilesystemStorage], error: Exception
) -> None:
    source = Breaking(make(1, payload=LARGE)[:-1000], error)
    broken, stored = store(site, source, make(2), kind=kind)
    assert (broken.status, stored.status) == ("rejected", "stored")
    assert list(site.objects.values()) == [make(2)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(LARGE, "not-dicom"), (b"DICM" * 200_000, "not-dicom"), (None, "object-too-large")],
    ids=["noise", "letters", "too large"],
)
@each_kind
def test_a_stream_that_is_refused_leaves_nothing(  # noqa: PLR0917 - each is a fixture or a parameter
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage], data: bytes | None, reason: str
) -> None:
    refused = data or make(1, payload=LARGE * 3)
    [result] = store(site, pipe(refused), kind=kind, ingest__max_object_bytes=2_000_000)
    assert outcome(result)[0] == "rejected"
    assert result.reason == reason or data
    assert site.objects == {}


class Failing(FilesystemStorage):
    """A storage that begins no upload."""

    error: BackendError = UnavailableError("The storage is away.")

    def open_upload(self) -> Upload:
        raise self.error


class Forbidding(Failing):
    error = RefusedError("The storage refuses the user.")


@pytest.mark.parametrize(("kind", "reason"), [(Failing, "storage-unavailable"), (Forbidding, "storage-refused")])
def test_a_storage_that_takes_no_upload_is_an_answer_with_retry(
    site: Site, make: Make, pipe: Pipe, kind: type[FilesystemStorage], reason: str
) -> None:
    refused, stored = store(site, pipe(make(1, payload=LARGE)), make(2), kind=kind)
    assert (outcome(refused), refused.retry) == (("rejected", reason), True)
    assert outcome(stored) == ("stored", "")


def test_a_stream_that_an_extension_refuses_leaves_nothing(
    site: Site, make: Make, pipe: Pipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = "@hookimpl\ndef dicom_common_accept(self, tenant, instance, origin):\n    return 'not wanted'\n"
    metadata = tmp_path / "site" / "made_strict-1.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "made_strict.py").write_text(extension_source("strict", hook))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: made_strict\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[dicom_common.extension]\nstrict = made_strict\n")
    store(site, first := make(1, payload=LARGE))
    monkeypatch.syspath_prepend(tmp_path / "site")
    limits: dict[str, Any] = {"extensions": ["strict"], "ingest__duplicates": "replace"}
    results = store(site, pipe(make(1, payload=LARGE[::-1])), pipe(make(2, payload=LARGE)), **limits)
    assert [outcome(result) for result in results] == [("rejected", "refused")] * 2
    assert list(site.objects.values()) == [first]
    site.assert_consistent()


class Impatient:
    """A stream that says that nothing is there yet, instead of waiting."""

    def __init__(self, *pieces: bytes | None) -> None:
        self._pieces = list(pieces)

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes | None:  # noqa: ARG002 - what is there is less
        return self._pieces.pop(0) if self._pieces else b""


def test_a_stream_that_does_not_wait_is_not_taken_for_a_short_one(site: Site, make: Make) -> None:
    source: Any = Impatient(make(1), None, bytes(8))
    [result] = store(site, source)
    assert (result.status, result.reason) == ("rejected", "unreadable")
    assert not site.objects
