"""Many senders at once, of the same instance: one row, one object, and every acknowledgement is true."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Reconciliation, Relay, delete_discarded, remove

Write = Callable[[Sequence[bytes]], list[Path]]
THREADS = 6


def at_once(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Let threads begin together; what they return, or the first error."""
    barrier = threading.Barrier(threads)
    answers: list[Any] = [None] * threads
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait()
            answers[number] = work(number)
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the test
            errors.append(error)

    crowd = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    if errors:
        raise errors[0]
    return answers


def assert_one(site: Site, stored: Sequence[bytes]) -> bytes:
    """Exactly one row and one object, which agree and are one of those that were sent."""
    [row] = site.rows
    assert list(site.objects) == [row.key]
    assert site.objects[row.key] in stored
    assert hashlib.sha256(site.objects[row.key]).hexdigest() == row.sha256
    return site.objects[row.key]


@pytest.mark.parametrize("policy", ["reject", "replace", "keep"])
def test_threads_that_store_the_same_instance_leave_one(site: Site, make: Make, policy: str) -> None:
    with Ingest(site.services(ingest__duplicates=policy)) as ingest:
        for _ in range(4):
            answers = at_once(lambda _: ingest.store([Received(source=make(), name="x")], tenant="local")[0])
            assert {answer.status for answer in answers} <= {"stored", "duplicate"}
    assert_one(site, [make()])
    assert len(site.events("dicom_image_queue")) == 1


@pytest.mark.parametrize("policy", ["reject", "replace", "keep"])
def test_threads_that_store_differing_bytes_leave_one_that_was_acknowledged(
    site: Site, make: Make, policy: str
) -> None:
    versions = [make(payload=bytes([65 + number]) * 64) for number in range(THREADS)]
    with Ingest(site.services(ingest__duplicates=policy)) as ingest:
        received = [Received(source=version, name="x") for version in versions]
        answers = at_once(lambda number: ingest.store([received[number]], tenant="local")[0])
    statuses = Counter(str(answer.status) for answer in answers)
    expected = {
        "reject": {"stored": 1, "rejected": THREADS - 1},
        "keep": {"stored": 1, "duplicate": THREADS - 1},
        "replace": {"stored": 1, "replaced": THREADS - 1},
    }
    assert statuses == expected[policy]
    left = assert_one(site, versions)
    winner = answers[versions.index(left)]
    assert winner.status in ("stored", "replaced")
    assert winner.key == site.rows[0].key
    for answer in answers:
        assert answer.status != "rejected" or answer.reason == "duplicate-differs"


def test_threads_that_store_one_data_set_behind_differing_file_metas_all_succeed(site: Site, make: Make) -> None:
    versions = [make(sender=f"SENDER{number}") for number in range(THREADS)]
    with Ingest(site.services()) as ingest:
        received = [Received(source=version, name="x") for version in versions]
        answers = at_once(lambda number: ingest.store([received[number]], tenant="local")[0])
    assert {str(answer.status) for answer in answers} <= {"stored", "duplicate"}
    assert_one(site, versions)


_SENDER = """
import sys
from pathlib import Path
from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received
config = Config.load(overrides={"data": sys.argv[1], "ingest.duplicates": sys.argv[2]}, variables={})
with Services(config) as services, Ingest(services) as ingest:
    batch = [Received(source=Path(name), name=name) for name in sys.argv[3:]]
    print("ready", flush=True)
    sys.stdin.readline()
    for result in ingest.store(batch, tenant="local"):
        print(result.name, result.status, result.reason or "-", flush=True)
"""


def send_at_once(site: Site, policy: str, batches: Sequence[Sequence[Path]]) -> list[list[list[str]]]:
    """Store batches, each in a process of its own; lines of name, status and reason."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SENDER, str(site.data), policy, *map(str, batch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for batch in batches
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [[line.split() for line in answer.splitlines()] for answer in answers]


def test_processes_that_store_the_same_instances_leave_one_of_each(site: Site, make: Make, write: Write) -> None:
    files = write([make(number) for number in range(1, 21)])
    backwards = files[::-1]
    answers = send_at_once(site, "reject", [files, backwards, files])
    statuses = Counter(status for lines in answers for _, status, _ in lines)
    assert statuses == {"stored": 20, "duplicate": 40}
    assert len(site.rows) == len(site.objects) == len(site.events("dicom_image_queue")) == 20
    site.assert_consistent()


@pytest.mark.parametrize("policy", ["reject", "replace"])
def test_processes_that_store_differing_bytes_leave_one_of_each(
    site: Site, make: Make, write: Write, policy: str
) -> None:
    versions = [[make(number, payload=bytes([65 + who]) * 64) for number in range(1, 11)] for who in range(3)]
    files = write([data for batch in versions for data in batch])
    answers = send_at_once(site, policy, [files[:10], files[10:20], files[20:]])
    for number in range(10):
        statuses = sorted(lines[number][1] for lines in answers)
        lost = {"reject": "rejected", "replace": "replaced"}[policy]
        assert statuses == sorted(["stored", lost, lost])
    assert len(site.rows) == len(site.objects) == 10
    for row in site.rows:
        number = int(row.sop_uid.rpartition(".")[2]) - 1
        data = site.objects[row.key]
        who = next(who for who in range(3) if versions[who][number] == data)
        assert answers[who][number][1] in ("stored", "replaced")
    site.assert_consistent()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("policy", ["reject", "replace"])
def test_whatever_runs_at_once_every_row_has_its_object_and_every_object_a_row(
    site: Site, make: Make, policy: str, seed: int
) -> None:
    """Store, remove, sweep, reconcile and relay, in threads, in a random order; then all that is there agrees."""
    config = site.config(ingest__duplicates=policy)
    services = Services(config)
    ingest = Ingest(services)
    versions = {(sop, who): make(sop, payload=bytes([65 + who]) * 32) for sop in range(1, 4) for who in range(3)}
    sent = {hashlib.sha256(data).hexdigest() for data in versions.values()}

    def work(number: int) -> None:
        dice = random.Random(1000 * seed + number)
        for _ in range(12):
            match dice.choices(("store", "remove", "sweep", "reconcile", "relay"), (12, 4, 2, 1, 1))[0]:
                case "store":
                    sop, who = dice.randrange(1, 4), dice.randrange(3)
                    received = Received(source=versions[sop, who], name="x")
                    [answer] = ingest.store([received], tenant="local")
                    assert answer.status != "rejected" or answer.reason == "duplicate-differs" or answer.retry
                case "remove":
                    remove(services, "local", "2.25.1", "2.25.1.1", f"2.25.1.1.{dice.randrange(1, 4)}")
                case "sweep":
                    delete_discarded(services)
                case "reconcile" if number == 0:
                    for difference in Reconciliation(config, repair=True, jobs=1, restart=True).run():
                        assert difference.kind not in ("damaged", "unreadable")
                case _:
                    Relay(services).run_once()

    at_once(work, 4)
    while delete_discarded(services):
        pass
    assert list(Reconciliation(config, jobs=1, restart=True).run()) == []
    ingest.close()
    services.close()
    site.assert_consistent()
    assert {row.sha256 for row in site.rows} <= sent
    assert len(site.objects) == len(site.rows)
