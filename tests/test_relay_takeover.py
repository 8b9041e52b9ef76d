"""A relay is killed while the outbox is its own: another one publishes the rest, and each key keeps its order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from corpus import instances, small_template

from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received

HANG = 60
LEASE = 5.0
COUNT = 60
IMAGE = "dicom_image_queue"

_RELAY = """
import os, signal, sys, threading
from dicom_common.host import Services
from dicom_common.pipeline import Relay
file, lease, dies = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
services = Services.from_file(file)
real, turns = services.db.published, 0
def published(events):
    global turns
    turns += 1
    if dies and turns > dies:
        os.kill(os.getpid(), signal.SIGKILL)
    real(events)
services.db.published = published
print("ready", flush=True)
Relay(services, batch=7, lease=lease).run(threading.Event())
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.service("postgres"))])
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Write a configuration with an index of the test's own."""
    file = tmp_path / "dicom-common.toml"
    text = f'data = "{tmp_path / "data"}"\n[db]\n'
    if request.param == "sqlite":
        file.write_text(text)
        yield file
        return
    import psycopg  # noqa: PLC0415 - only where the server is

    endpoint = request.getfixturevalue("service_endpoint")
    name = f"dicom_common_{uuid.uuid4().hex[:12]}"
    where = {"host": endpoint.host, "port": endpoint.port, "user": "postgres"}
    with closing(psycopg.connect(**where, dbname="postgres", autocommit=True)) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in where.items())
        file.write_text(f'{text}backend = "postgres"\n{rows}database = "{name}"\n')
        yield file
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def start(configuration: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a relay in a process of its own, which kills itself after so many batches."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*, dies: int = 0) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _RELAY, str(configuration), str(LEASE), str(dies)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert processes[-1].stdout is not None
        assert processes[-1].stdout.readline() == "ready\n"
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def take_in(configuration: Path, *, in_the_middle: Callable[[], None] | None = None) -> dict[str, list[str]]:
    """Store instances, and return the SOP Instance UIDs of each key in the order of their events."""
    keys: dict[str, list[str]] = defaultdict(list)
    with Services.from_file(configuration) as services, Ingest(services) as ingest:
        sources = [Received(source=data, name="a") for data in instances(small_template(), COUNT, per_series=15)]
        for first in range(0, COUNT, 4):
            for result in ingest.store(sources[first : first + 4], tenant="local"):
                keys[f"local|{result.study_uid}|{result.series_uid}"].append(str(result.sop_uid))
            if in_the_middle is not None and first == COUNT // 2 - 2:
                in_the_middle()
    return keys


def published(configuration: Path) -> dict[str, list[str]]:
    """Return the SOP Instance UIDs of each key as a consumer sees them, which knows what it has seen."""
    keys: dict[str, list[str]] = defaultdict(list)
    with Services.from_file(configuration) as services, services.broker.consume([IMAGE], "look") as consumer:
        while deliveries := consumer.receive(1000, timeout=0.5):
            for delivery in deliveries:
                uid = json.loads(delivery.message.body)["sop_uid"]
                if uid not in keys[delivery.message.key]:
                    keys[delivery.message.key].append(uid)
    return keys


def wait_until_nothing_waits(configuration: Path) -> None:
    give_up = time.monotonic() + HANG
    with Services.from_file(configuration) as services:
        while (waiting := services.db.backlog().events) and time.monotonic() < give_up:
            time.sleep(0.1)
    assert not waiting


@pytest.mark.kills
def test_another_relay_publishes_what_a_killed_one_left(
    configuration: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    expected = take_in(configuration)
    with Services.from_file(configuration) as services:
        assert services.db.backlog().events > COUNT  # it is open before the lease begins
        killed = start(dies=3)
        assert killed.wait(HANG) == -signal.SIGKILL  # after it published its fourth batch, and before it said so
        assert services.db.pending(1, relay="too-early", lease=0) == [], "the outbox is still the killed one's"
        assert services.db.backlog().events > COUNT
    start()
    wait_until_nothing_waits(configuration)
    assert published(configuration) == expected


@pytest.mark.kills
def test_two_relays_at_once_of_which_one_is_killed_keep_the_order(
    configuration: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    one, other = start(), start()
    expected = take_in(configuration, in_the_middle=one.kill)
    wait_until_nothing_waits(configuration)
    assert one.wait(HANG) == -signal.SIGKILL
    assert other.poll() is None
    assert len(expected) == 4
    assert published(configuration) == expected
