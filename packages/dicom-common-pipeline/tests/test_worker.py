"""Queued mode: what a receiver acknowledged is indexed once, whatever happens to workers, broker and messages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.core import Logs, Message, ReceivedObject, Services, UnavailableError
from dicom_common.dicom import ReaderSettings
from dicom_common.pipeline import Ingest, Received, Result, Worker
from dicom_common.pipeline._worker._claim import PoisonError, claim_of, open_claim

QUEUED: dict[str, Any] = {"ingest__mode": "queued", "worker__batch_seconds": 0.1}
TOPIC, DEAD = "storage_queue", "storage_queue.dead"


def queue(site: Site, *sources: Any, **overrides: Any) -> list[Result]:
    return site.store(*sources, **QUEUED | overrides)


def messages(site: Site, topic: str) -> list[Message]:
    with Services(site.config()) as services, services.broker.consume([topic], "look") as consumer:
        found = []
        while more := consumer.receive(1000, timeout=0.3):
            found += [delivery.message for delivery in more]
        services.broker.forget("look")  # type: ignore[attr-defined]  # the embedded broker is a Groups
        return found


def publish(site: Site, *again: Message) -> None:
    with Services(site.config()) as services:
        services.broker.publish(TOPIC, again)


@contextmanager
def working(services: Services) -> Iterator[None]:
    """Let a worker run; at the end it is told to stop, and does."""
    stop = threading.Event()
    thread = threading.Thread(target=Worker(services).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def work_off(services: Services) -> None:
    """Let a worker run until nothing waits for it."""
    with working(services):
        _until(lambda: not backlog(services))


def backlog(services: Services) -> int:
    return services.broker.backlog(TOPIC, "dicom-common-workers")


def work(site: Site, **overrides: Any) -> None:
    with Services(site.config(**QUEUED | overrides)) as services:
        work_off(services)


def _until(condition: Any) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, "hung"
        time.sleep(0.02)


def test_a_queued_instance_is_durable_at_once_and_indexed_by_the_worker(site: Site, make: Make) -> None:
    first, second = queue(site, make(1), make(2))
    assert (first.status, second.status) == ("queued", "queued")
    assert site.objects.keys() == {first.key, second.key}
    assert not site.rows
    [message, _] = messages(site, TOPIC)
    assert message.key == "local|2.25.1.1|2.25.1.1.1"
    assert message.headers.keys() == {"schema-version", "event-id", "tenant", "content-digest"}
    assert json.loads(message.body)["file_path"] == first.key

    work(site)

    assert {row.key for row in site.rows} == {first.key, second.key}
    assert len(site.events("dicom_image_queue")) == len(site.events("log_queue")) == 2
    assert len(site.events("dicom_state_queue")) == 1
    site.assert_consistent()


def test_the_index_is_not_needed_to_receive(site: Site, make: Make) -> None:
    site.data.mkdir(parents=True)
    (site.data / "index.sqlite").mkdir()
    assert queue(site, make())[0].status == "queued"
    (site.data / "index.sqlite").rmdir()
    work(site)
    assert len(site.rows) == 1


def test_the_same_bytes_twice_leave_one_object_and_one_event(site: Site, make: Make) -> None:
    queue(site, make(), make())
    work(site)
    queue(site, make())
    work(site)
    assert len(site.rows) == len(site.objects) == len(site.events("dicom_image_queue")) == 1
    assert not messages(site, DEAD)
    site.assert_consistent()


def test_a_message_that_is_delivered_again_changes_nothing(site: Site, make: Make) -> None:
    queue(site, make(1), make(1), make(2))
    sent = messages(site, TOPIC)
    work(site)
    before = (site.rows, site.objects, len(site.events("dicom_image_queue")))
    publish(site, *sent)
    work(site)
    assert (site.rows, site.objects, len(site.events("dicom_image_queue"))) == before
    assert not messages(site, DEAD), "the object of a second copy is gone, and that is no fault"


def test_other_bytes_under_a_known_uid_go_to_the_dead_letters_and_are_kept(site: Site, make: Make) -> None:
    queue(site, make())
    work(site)
    [other] = queue(site, make(payload=b"other"))
    work(site)
    [dead] = messages(site, DEAD)
    assert dead.headers["dead-reason"] == "duplicate-differs"
    assert dead.headers["dead-attempts"] == "1", "another try would give the same"
    assert len(site.rows) == 1
    assert other.key in site.objects


def test_replace_takes_the_later_bytes(site: Site, make: Make) -> None:
    queue(site, make())
    [other] = queue(site, make(payload=b"other"))
    work(site, ingest__duplicates="replace")
    assert [row.key for row in site.rows] == [other.key] == list(site.objects)
    assert len(site.events("dicom_image_queue")) == 2


def test_poison_goes_to_the_dead_letters_and_its_neighbours_go_on(site: Site, make: Make) -> None:
    results = queue(site, *(make(number) for number in range(1, 7)))
    sent = messages(site, TOPIC)
    (site.data / "objects" / str(results[0].key)).unlink()
    (site.data / "objects" / str(results[1].key)).write_bytes(make(2, payload=b"changed"))
    headers = dict(sent[2].headers)
    other = json.loads(sent[2].body) | {"sop_uid": "2.25.1.1.1.99"}
    publish(
        site,
        Message(key=sent[2].key, body=json.dumps(other).encode(), headers=headers),
        Message(key=sent[2].key, body=b"no json", headers=headers),
        Message(key=sent[2].key, body=sent[2].body, headers=headers | {"tenant": "another"}),
        Message(key=sent[2].key, body=sent[2].body, headers={}),
    )
    work(site)
    assert len(site.rows) == 4
    dead = messages(site, DEAD)
    assert sorted(message.headers["dead-reason"] for message in dead) == [
        "contradictory-message",
        "digest-differs",
        "identity-differs",
        "object-missing",
        "unknown-schema-version",
        "unreadable-message",
    ]
    assert {message.headers["dead-attempts"] for message in dead} == {"3"}
    assert all(message.headers["dead-topic"] == TOPIC for message in dead)


def test_an_instance_that_was_removed_and_is_sent_again_is_indexed_again(site: Site, make: Make) -> None:
    queue(site, make())
    work(site)
    with Services(site.config()) as services:
        services.db.remove("local", "2.25.1.1")  # its object is discarded, and not deleted yet
    [again] = queue(site, make())
    work(site)
    assert [row.key for row in site.rows] == [again.key]
    site.assert_consistent()


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
from dicom_common.core import Config, Services
from dicom_common.pipeline import Worker
overrides = {"data": sys.argv[1], "ingest.mode": "queued", "worker.batch_messages": 5, "worker.batch_seconds": 0.1,
             "broker.lease": 1.0}
with Services(Config.load(overrides=overrides, variables={})) as services:
    Worker(services).run(threading.Event())
"""


def test_two_workers_of_which_one_is_killed_index_everything_once(site: Site, make: Make) -> None:
    queue(site, *(make(number, series=number % 8 + 1) for number in range(1, 81)))
    processes = [subprocess.Popen([sys.executable, "-c", _WORKER, str(site.data)]) for _ in range(2)]
    try:
        _until(lambda: _count(site.data) >= 10)
        processes[0].kill()
        with Services(site.config()) as services:
            _until(lambda: not services.broker.backlog(TOPIC, "dicom-common-workers"))
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


class Distant:
    """A storage whose objects are no files of this machine; it counts what is read."""

    def __init__(self, storage: Any) -> None:
        self._storage, self.bytes_read = storage, 0
        self.stat, self.write, self.delete, self.close = storage.stat, storage.write, storage.delete, storage.close

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        for chunk in self._storage.read(key, start=start, length=length):
            self.bytes_read += len(chunk)
            yield chunk


class StaysAway(AwayOnce):
    """A storage that cannot be read any more, until it is told to."""

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
            _until(lambda: storage.failed)
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
            _until(lambda: joined.times >= 2)
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


def test_of_a_distant_object_with_a_known_digest_only_the_header_is_read(site: Site, make: Make) -> None:
    [result] = queue(site, make(payload=bytes(3 << 20)))
    with Services(site.config(**QUEUED)) as services, services.broker.consume([TOPIC], "look") as consumer:
        claim = claim_of(consumer.receive(1, timeout=5)[0])
        distant = Distant(services.storage)
        distant.stat = lambda key: replace(services.storage.stat(key), sha256=claim.sha256)  # as object stores keep it
        candidate = open_claim(claim, distant, ReaderSettings(), 4096)  # type: ignore[arg-type]  # what a worker uses of it
        assert candidate.instance.sha256 == claim.sha256
        assert distant.bytes_read < 10_000
        with candidate.source() as source:
            assert source.read() == site.objects[str(result.key)]  # type: ignore[union-attr]  # it is a stream here


def test_of_a_distant_object_without_a_digest_all_is_read_before_it_is_believed(site: Site, make: Make) -> None:
    [result] = queue(site, make(payload=bytes(1 << 16)))
    file = site.data / "objects" / str(result.key)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with Services(site.config(**QUEUED)) as services, services.broker.consume([TOPIC], "look") as consumer:
        claim = claim_of(consumer.receive(1, timeout=5)[0])
        distant = Distant(services.storage)
        distant.stat = lambda key: replace(services.storage.stat(key), sha256=None)
        with pytest.raises(PoisonError, match="digest-differs"):
            open_claim(claim, distant, ReaderSettings(), 4096)  # type: ignore[arg-type]  # what a worker uses of it


def test_an_object_whose_key_is_retired_is_indexed_at_another_one(site: Site, make: Make) -> None:
    [result] = queue(site, make())
    with Services(site.config()) as services:
        services.db.discard([str(result.key)])
    work(site)
    [row] = site.rows
    assert row.key != result.key
    assert site.objects[row.key] == make()
    site.assert_consistent()


def test_a_second_copy_restores_an_object_that_was_lost(site: Site, make: Make) -> None:
    queue(site, make())
    work(site)
    [row] = site.rows
    (site.data / "objects" / row.key).unlink()
    queue(site, make())
    work(site)
    assert site.rows == [row]
    assert site.objects[row.key] == make()
    assert len(site.events("dicom_image_queue")) == 1, "nothing of it is new"
    site.assert_consistent()


def test_the_log_knows_an_object_by_the_trace_of_its_message(site: Site, make: Make) -> None:
    queue(site, make())
    [sent] = messages(site, TOPIC)
    work(site)
    trace = json.loads(sent.body)["trace_id"]
    with Services(site.config()) as services:
        assert isinstance(services.db, Logs)
        assert [record.id for record in services.db.read_log(ReceivedObject, "local")] == [trace]
    assert [json.loads(event.body)["trace_id"] for event in site.events("log_queue")] == [trace]


def test_a_dead_letter_says_where_its_object_is(site: Site, make: Make) -> None:
    queue(site, make())
    work(site)
    [other] = queue(site, make(payload=b"other"))
    work(site)
    [dead] = messages(site, DEAD)
    assert dead.headers["dead-file-path"] == other.key
    assert other.key in site.objects


def test_what_the_index_refuses_stays_where_the_receiver_put_it(site: Site, make: Make) -> None:
    """At no moment its key is one that anybody may delete: the worker may die, and another one may sweep."""
    queue(site, make(1, patient="P1"))
    work(site)
    [refused] = queue(site, make(2, patient="P2"))
    [sent] = messages(site, TOPIC)[1:]
    reject = {"ingest__other_patient": "reject"}
    work(site, **reject)
    publish(site, sent)  # as if the worker had died before it acknowledged
    work(site, **reject)
    dead = messages(site, DEAD)
    assert [one.headers["dead-reason"] for one in dead] == ["other-patient"] * 2
    assert {one.headers["dead-file-path"] for one in dead} == {refused.key}
    assert sorted(site.objects) == sorted([site.rows[0].key, str(refused.key)])


_KILLED = """
import os, signal, sys, threading
from dicom_common.broker.sqlite._consumer import SqliteConsumer
SqliteConsumer.acknowledge = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


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
