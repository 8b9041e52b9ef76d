"""Redis dies, hangs and is filled with garbage while metadata documents are asked for: every answer comes and is right.

The study grows all the time. An answer is right if the study was so at some moment between question and answer: one
that was true a moment before the question is stale, and fails the test.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from dicom_common.core import NotFoundError
from dicom_common.host import Services
from dicom_common.pipeline import MetadataDocuments
from dicom_common.testing import make_entry, make_instance
from dicom_common.testing.servers import AbsentError, PrivateServer, descendants, private_server

pytestmark = pytest.mark.service("redis")

STUDY = "1.2.3.1"
READERS = 4
PHASE = float(os.environ.get("DICOM_COMMON_TEST_REDIS_PHASE", "1"))
"""Seconds of each kind of trouble."""
HANG = 60
"""Seconds after which a request hangs. It may take a time limit of the cache (0.2), a wait for another maker (0.5), and
what a busy machine takes."""


@pytest.fixture
def server(without_service: Callable[[str], NoReturn]) -> Iterator[PrivateServer]:
    try:
        with private_server("redis") as server:
            yield server
    except AbsentError as absent:
        without_service(str(absent))


class Installation:
    """A growing study, and readers of it, each with backends of its own as if it were a process."""

    def __init__(self, data: Path, server: PrivateServer) -> None:
        self.settings: dict[str, Any] = {
            "data": str(data),
            "cache.backend": "redis",
            "cache.url": f"redis://{server.host}:{server.port}/0",
            "cache.timeout": "0.2",
            "cache.connect_timeout": "0.2",
            "cache.pause": "0.1",
            "documents.wait_seconds": "0.5",
        }
        self.begun = self.done = 0
        self.requests = 0
        self.slowest = 0.0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._guarded, args=(self._grow,), daemon=True)]
        for number in range(READERS):
            quiet = "0" if number % 2 else "3600"  # half of them write documents to the storage, too
            self._threads.append(
                threading.Thread(target=self._guarded, args=(lambda quiet=quiet: self._read(quiet),), daemon=True)
            )

    def services(self, **settings: str) -> Services:
        return Services.from_file(overrides=self.settings | settings)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        end = time.monotonic() + HANG
        while not self.requests and not self.failures:
            assert time.monotonic() < end, "nothing is answered"
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(HANG)
            assert not thread.is_alive(), "a request hangs"

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.failures.append(f"{type(error).__name__}: {error}")

    def _grow(self) -> None:
        with self.services() as services:
            while not self._stop.wait(0.03):
                self.begun += 1
                services.db.add([make_entry(make_instance(self.begun))])
                self.done = self.begun

    def _read(self, quiet: str) -> None:
        with self.services(**{"documents.quiet_seconds": quiet}) as services:
            documents = MetadataDocuments(services)
            while not self._stop.is_set():
                least = self.done
                start = time.monotonic()
                try:
                    with documents.study("local", STUDY) as document:
                        text = b"".join(document.plain())
                        assert gzip.decompress(b"".join(document.gzip())) == text
                except NotFoundError:
                    text = b"[]"
                self.slowest = max(self.slowest, time.monotonic() - start)
                numbers = [int(one["00080018"]["Value"][0].rpartition(".")[2]) for one in json.loads(text)]
                assert numbers == list(range(1, len(numbers) + 1))
                assert least <= len(numbers) <= self.begun, f"{len(numbers)}, and there were {least} before"
                self.requests += 1


def signalled(server: PrivateServer, number: signal.Signals) -> None:
    process = server._process
    assert process is not None
    for pid in (process.pid, *descendants(process.pid)):
        os.kill(pid, number)


def spoil(server: PrivateServer, chance: random.Random, keys: list[bytes]) -> None:
    """Put something else under every key of ours, and note which there were."""
    import redis  # noqa: PLC0415 - only where the server is

    with redis.Redis(server.host, server.port) as client:
        found = cast("list[bytes]", client.keys("dicom-common:local:*"))
        keys += found
        for key in found:
            wrong = chance.choice([
                chance.randbytes(chance.randrange(300)),
                _value(client, key)[:-1],
                gzip.compress(b"[]"),
                _value(client, chance.choice(keys)),
                None,
            ])  # fmt: skip
            if wrong is None:  # in one step: the installation may make the key anew in between
                client.pipeline().delete(key).rpush(key, b"somebody else's list").execute()
            else:
                client.set(key, wrong)  # and it never expires


def _value(client: Any, key: bytes) -> bytes:
    import redis  # noqa: PLC0415 - only where the server is

    try:
        return cast("bytes | None", client.get(key)) or b""
    except redis.ResponseError:  # a list that we have put there
        return b""


@pytest.mark.kills
def test_whatever_redis_does_every_request_is_answered_and_no_answer_is_stale(
    server: PrivateServer, tmp_path: Path
) -> None:
    chance = random.Random(20261122)
    installation = Installation(tmp_path / "data", server)
    installation.start()

    def phase(trouble: Callable[[], object] = lambda: time.sleep(0.01)) -> None:
        """Let a kind of trouble last so long, and until some requests were asked and answered in it."""
        before, start = installation.requests, time.monotonic()
        while (lasted := time.monotonic() - start) < PHASE or installation.requests < before + 2 * READERS:
            assert lasted < PHASE + HANG, "no request is answered"
            assert installation.failures == []
            trouble()

    try:
        phase()
        signalled(server, signal.SIGSTOP)
        phase()
        signalled(server, signal.SIGCONT)
        phase()
        server.kill()
        phase()
        server.start()
        phase()
        keys: list[bytes] = []
        phase(lambda: spoil(server, chance, keys))
    finally:
        installation.stop()
    assert installation.failures == []
    assert keys, "the cache was never used"
    assert installation.slowest < HANG


@pytest.mark.kills
def test_a_key_that_somebody_else_holds_for_ever_holds_nobody_up(server: PrivateServer, tmp_path: Path) -> None:
    """The lock of the makers is a list of somebody else's, or text that is not ours: it is not waited for each time."""
    import redis  # noqa: PLC0415 - only where the server is

    installation = Installation(tmp_path / "data", server)
    with installation.services(**{"documents.wait_seconds": str(HANG * 2)}) as services:
        services.db.add([make_entry()])
        documents = MetadataDocuments(services)
        documents.study("local", STUDY).close()
        with redis.Redis(server.host, server.port) as client:
            [key] = cast("list[bytes]", client.keys("*:metadata:*"))
            wanted = documents._wanted("local", STUDY, None)
            assert wanted is not None
            from dicom_common.pipeline._documents._request_cache import cache_key  # noqa: PLC0415 - what a test may know

            lock = f"dicom-common:{cache_key('local', 'making', wanted.revision)}"
            for spoiled in (b"garbage", client.get(key)):
                client.delete(key)
                client.set(lock, cast("bytes", spoiled))
                start = time.monotonic()
                documents.study("local", STUDY).close()
                assert time.monotonic() - start < HANG
            client.delete(key)
            client.delete(lock)
            client.rpush(lock, b"a list")
            start = time.monotonic()
            documents.study("local", STUDY).close()
            assert time.monotonic() - start < HANG


@pytest.mark.kills
def test_a_study_that_was_not_there_is_there_as_soon_as_it_is_stored(server: PrivateServer, tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", server)
    with installation.services() as storing, installation.services() as asking:
        documents = MetadataDocuments(asking)
        for number in range(1, 20):
            study = f"1.2.3.{number}"
            with pytest.raises(NotFoundError):
                documents.study("local", study)
            storing.db.add([make_entry(make_instance(1, study=number))])
            with documents.study("local", study) as document:
                assert document.instances == 1
