"""When something dies or goes away while there is work: each message is dealt with once, by whoever is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site
from queued_site import DEAD, QUEUED, TOPIC, backlog, messages, publish, queue, until, work, work_off, working

from dicom_common.core import Message, UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received


def test_a_broker_that_is_down_is_a_refusal_that_can_be_tried_again(site: Site, make: Make) -> None:
    (site.data / "events.sqlite").mkdir(parents=True)
    with Services(site.config(**QUEUED)) as services, Ingest(services) as ingest:
        received = [Received(source=make(number), name=str(number)) for number in (1, 2)]
        answers = [answer for _ in range(3) for answer in ingest.store(received, tenant="local")]
        assert all(answer.status == "rejected" and answer.reason.startswith("broker-") for answer in answers)
        assert len(site.objects) <= 2, "only the first try leaves objects"
        (site.data / "events.sqlite").rmdir()
    assert queue(site, make())[0].status == "queued"
    work(site)
    assert len(site.rows) == 1


_WORKER = """
import sys, threading
from dicom_common.host import Config, Services
from dicom_common.pipeline import Worker
overrides = {"data": sys.argv[1], "ingest.mode": "queued", "worker.batch_messages": 5, "worker.batch_seconds": 0.1,
             "broker.lease": 4.0}
with Services(Config.load(overrides=overrides, variables={})) as services:
    Worker(services).run(threading.Event())
"""


@pytest.mark.kills
def test_two_workers_of_which_one_is_killed_index_everything_once(site: Site, make: Make) -> None:
    queue(site, *(make(number, series=number % 8 + 1) for number in range(1, 81)))
    processes = [subprocess.Popen([sys.executable, "-c", _WORKER, str(site.data)]) for _ in range(2)]
    try:
        until(lambda: _count(site.data) >= 10)
        processes[0].kill()
        with Services(site.config()) as services:
            until(lambda: not services.broker.backlog(TOPIC, "dicom-common-workers"))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert len(site.rows) == 80
    assert len(site.events("dicom_image_queue")) == 80
    assert not messages(site, DEAD)
    site.assert_consistent()


def _count(data: Path) -> int:
    if not (data / "index.sqlite").exists():
        return 0
    with Services(Site(data).config()) as services:
        return sum(1 for _ in services.db.walk())


class Looks:
    """A broker that goes on to the real one, and looks at the storage when something is published."""

    def __init__(self, real: Any, site: Site) -> None:
        self._real, self._site = real, site
        self.there: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def publish(self, topic: str, sent: Sequence[Message]) -> None:
        objects = self._site.objects
        self.there += [json.loads(message.body)["file_path"] in objects for message in sent]
        self._real.publish(topic, sent)


def test_an_object_is_in_the_storage_before_its_message_is_published(site: Site, make: Make) -> None:
    services = site.services(**QUEUED)
    broker = Looks(services.broker, site)
    services._opened["broker"] = broker
    with Ingest(services) as ingest:
        ingest.store([Received(source=make(number), name=str(number)) for number in (1, 2)], tenant="local")
    assert broker.there == [True, True]


class LosesLetters:
    """A broker that goes on to the real one, and does not take the first dead letter."""

    def __init__(self, real: Any) -> None:
        self._real, self.refused = real, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def publish(self, topic: str, sent: Sequence[Message]) -> None:
        if topic == DEAD and not self.refused:
            self.refused += 1
            raise UnavailableError("the broker went away")
        self._real.publish(topic, sent)


def test_a_message_is_there_until_its_dead_letter_is_durable(site: Site) -> None:
    publish(site, Message(key="any", body=b"no json", headers={"schema-version": "1"}))
    with Services(site.config(**QUEUED)) as services:
        broker = LosesLetters(services.broker)
        services._opened["broker"] = broker
        work_off(services)
    assert broker.refused
    assert len(messages(site, DEAD)) == 1


class AwayOnce:
    """A storage that goes on to the real one, and fails once."""

    def __init__(self, real: Any) -> None:
        self._real, self.failed = real, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def local_path(self, key: str) -> Path:
        if not self.failed:
            self.failed += 1
            raise UnavailableError("the storage went away")
        return Path(self._real.local_path(key))


def test_an_object_that_cannot_be_read_yet_is_tried_again(site: Site, make: Make) -> None:
    queue(site, make(1), make(2))
    with Services(site.config(**QUEUED, worker__tries=1)) as services:
        storage = AwayOnce(services.storage)
        services._opened["storage"] = storage
        work_off(services)
    assert storage.failed
    assert len(site.rows) == 2
    assert not messages(site, DEAD)


class StaysAway(AwayOnce):
    """A storage that cannot be read any more."""

    def local_path(self, key: str) -> Path:  # noqa: ARG002 - as in Storage
        self.failed += 1
        raise UnavailableError("the storage went away")


def test_a_worker_that_is_stopped_while_the_storage_is_away_leaves_the_message_to_others(
    site: Site, make: Make
) -> None:
    queue(site, make(1))
    with Services(site.config(**QUEUED)) as services:
        storage = StaysAway(services.storage)
        services._opened["storage"] = storage
        with working(services):
            until(lambda: storage.failed)
        assert backlog(services) == 1
    work(site)
    assert len(site.rows) == 1


def test_a_batch_that_cannot_be_dealt_with_for_long_is_given_back(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_common.pipeline._worker._worker._HOLD", 0.0)
    queue(site, make(1))
    with Services(site.config(**QUEUED)) as services:
        storage, joined = StaysAway(services.storage), Joins(services.broker)
        services._opened.update(storage=storage, broker=joined)
        with working(services):
            until(lambda: joined.times >= 2)
        assert backlog(services) == 1


class Joins:
    """A broker that goes on to the real one, and counts who joins a group."""

    def __init__(self, real: Any) -> None:
        self._real, self.times = real, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def consume(self, topics: Sequence[str], group: str) -> Any:
        self.times += 1
        return self._real.consume(topics, group)


def test_a_message_whose_object_is_indexed_and_lost_is_told(site: Site, make: Make) -> None:
    [result] = queue(site, make())
    again = messages(site, TOPIC)
    work(site)
    with Services(site.config()) as services:
        services.storage.delete(str(result.key))
    publish(site, *again)
    work(site)
    assert [message.headers["dead-reason"] for message in messages(site, DEAD)] == ["object-missing"]


class IndexAwayOnce:
    """An index that goes on to the real one, and does not answer the first question."""

    def __init__(self, real: Any) -> None:
        self._real, self.failed = real, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def stored(self, tenant: str, sop_uids: Sequence[str]) -> Any:
        if not self.failed:
            self.failed += 1
            raise UnavailableError("the index went away")
        return self._real.stored(tenant, sop_uids)


def test_a_message_of_a_second_copy_that_is_gone_waits_for_the_index(site: Site, make: Make) -> None:
    queue(site, make())
    queue(site, make())
    both = messages(site, TOPIC)
    work(site)
    publish(site, *both)
    with Services(site.config(**QUEUED, worker__tries=1)) as services:
        index = IndexAwayOnce(services.db)
        services._opened["db"] = index
        work_off(services)
    assert index.failed
    assert not messages(site, DEAD)
    assert len(site.rows) == len(site.objects) == 1


def test_an_object_whose_key_is_retired_is_indexed_at_another_one(site: Site, make: Make) -> None:
    [result] = queue(site, make())
    with Services(site.config()) as services:
        services.db.discard([str(result.key)])
    work(site)
    [row] = site.rows
    assert row.key != result.key
    assert site.objects[row.key] == make()
    site.assert_consistent()


@pytest.mark.parametrize("loss", [Path.unlink, lambda file: file.write_bytes(bytes(file.stat().st_size))])
def test_a_second_copy_restores_an_object_that_was_lost(site: Site, make: Make, loss: Callable[[Path], object]) -> None:
    queue(site, make())
    work(site)
    [row] = site.rows
    loss(site.data / "objects" / row.key)
    queue(site, make())
    work(site)
    assert site.rows == [row]
    assert site.objects[row.key] == make()
    assert len(site.events("dicom_image_queue")) == 1, "nothing of it is new"
    site.assert_consistent()


_KILLED = """
import os, signal, sys, threading
from dicom_common.broker.leases import GroupConsumer
GroupConsumer.acknowledge = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.kills
def test_a_second_copy_is_there_until_its_message_is_acknowledged(site: Site, make: Make) -> None:
    """Behind another file meta it has other bytes: who finds it gone cannot tell that it was a copy."""
    [first] = queue(site, make(sender="ONE"))
    work(site)
    [copy] = queue(site, make(sender="TWO"))
    done = subprocess.run([sys.executable, "-c", _KILLED + _WORKER, str(site.data)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sorted(site.objects) == sorted([str(first.key), str(copy.key)])
    work(site)
    assert not messages(site, DEAD)
    assert list(site.objects) == [first.key]
