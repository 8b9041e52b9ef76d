"""The index's server is killed and started again in the middle of an ingest: nothing is lost, and the ingest goes on.

The server is one of the test's own, killed with all of its processes. It does not wait for its disk, which a killed
process does not need: what it has written is in the kernel's hands. That a power failure loses nothing is the server's
own promise, which its settings keep (see the READMEs of the plugins).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pytest
from embedded import COMMAND, lines

from dicom_common.core import Level, Query
from dicom_common.host import Services
from dicom_common.pipeline import Relay
from dicom_common.testing.servers import AbsentError, PrivateServer, private_server

KILLS = int(os.environ.get("DICOM_COMMON_TEST_SERVER_KILLS", "4"))
FILES = 500 * KILLS
HANG = 300
USERS = {"postgres": "postgres", "mysql": "root"}


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.service(name)) for name in USERS])
def server(request: pytest.FixtureRequest, without_service: Callable[[str], NoReturn]) -> Iterator[PrivateServer]:
    try:
        with private_server(request.param) as server:
            _make_database(server)
            yield server
    except AbsentError as absent:
        without_service(str(absent))


def _make_database(server: PrivateServer) -> None:
    if server.server.name == "postgres":
        import psycopg  # noqa: PLC0415 - only where the server is

        with psycopg.connect(host=server.host, port=server.port, user="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE dicom_common TEMPLATE template0")
    else:
        import MySQLdb  # noqa: PLC0415 - only where the server is

        with closing(MySQLdb.connect(host=server.host, port=server.port, user="root")) as connection:
            connection.query("CREATE DATABASE dicom_common")


@pytest.fixture
def configuration(server: PrivateServer, tmp_path: Path) -> Path:
    """Write a configuration with the index on the server, and all else in a folder."""
    file = tmp_path / "dicom-common.toml"
    name = server.server.name
    file.write_text(
        f'data = "{tmp_path / "data"}"\n[db]\nbackend = "{name}"\nhost = "{server.host}"\nport = {server.port}\n'
        # Less than a restart takes: then it is the ingest that waits, not a transaction of the index.
        f'user = "{USERS[name]}"\nretry_timeout = 1\n'
    )
    return file


class Ingest:
    """A running ingest, whose answers are read as they come."""

    def __init__(self, configuration: Path, folder: Path, errors: Path) -> None:
        command = [*COMMAND, "--config", str(configuration), "ingest", "--json", "--jobs", "2", str(folder)]
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.answers: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.answers.extend(self.process.stdout)  # one by one

    def wait_for(self, answers: int) -> None:
        end = time.monotonic() + HANG
        while len(self.answers) < answers and self._reader.is_alive():
            assert time.monotonic() < end, "the ingest does not go on"
            time.sleep(0.01)

    def finish(self) -> list[dict[str, Any]]:
        code = self.process.wait(HANG)
        self._reader.join(HANG)
        assert code == 0
        return lines("".join(self.answers))


@pytest.mark.kills
def test_an_ingest_goes_on_when_its_server_is_killed_and_comes_back_and_nothing_is_lost(
    server: PrivateServer, configuration: Path, tmp_path: Path, small_files: Callable[[int], list[Path]]
) -> None:
    files = small_files(FILES)
    chance = random.Random(20261122)
    ingest = Ingest(configuration, tmp_path / "files", tmp_path / "stderr")
    acknowledged: set[str] = set()
    try:
        for kill in range(KILLS):
            ingest.wait_for(FILES * kill // KILLS + chance.randrange(FILES // KILLS // 2))
            time.sleep(chance.uniform(0, 0.2))  # somewhere in a transaction
            server.kill()
            acknowledged = {line["sop_instance_uid"] for line in map(json.loads, ingest.answers)}
            time.sleep(5 if kill == 0 else chance.uniform(0, 1))
            server.start()
            # What was acknowledged before the kill is there when the server is.
            assert acknowledged <= {stored.sop_uid for stored in _stored(configuration)}
        answers = ingest.finish()
    finally:
        ingest.process.kill()
    assert acknowledged, "the server was always killed before anything was done"
    # A commit whose answer was lost is a duplicate when it is tried again.
    assert {answer["status"] for answer in answers} <= {"stored", "duplicate"}
    assert len(answers) == len(files)
    assert "Traceback" not in (told := (tmp_path / "stderr").read_text())
    assert "Waiting for it" in told

    everything = _stored(configuration)
    assert Counter(stored.sop_uid for stored in everything) == Counter(answer["sop_instance_uid"] for answer in answers)
    with Services.from_file(configuration) as services:
        objects = {info.key: b"".join(services.storage.read(info.key)) for info in services.storage.scan()}
        assert sorted(objects) == sorted(stored.key for stored in everything)
        assert sorted(objects.values()) == sorted(file.read_bytes() for file in files)
        studies = services.db.find(Query(tenant="local", level=Level.STUDY))
        assert sum(int(str(study["NumberOfStudyRelatedInstances"])) for study in studies) == len(files)
        assert Relay(services).drain(120) == 0
        told_of = set()
        with services.broker.consume(["dicom_image_queue"], "restart-test") as consumer:
            while deliveries := consumer.receive(1000, timeout=5):
                told_of |= {json.loads(delivery.message.body)["sop_uid"] for delivery in deliveries}
                consumer.acknowledge(deliveries)
        assert told_of == {stored.sop_uid for stored in everything}
    reconciled = [sys.executable, "-m", "dicom_common.cli", "--config", str(configuration), "reconcile"]
    subprocess.run(reconciled, check=True, timeout=HANG, capture_output=True)  # exit code 0: no difference


def _stored(configuration: Path) -> list[Any]:
    with Services.from_file(configuration) as services:
        return list(services.db.walk())
