"""Queued mode: what a receiver acknowledged is indexed once, whatever happens to workers, broker and messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pipeline_site import Make, Site
from queued_site import DEAD, QUEUED, TOPIC, messages, publish, queue, work

from dicom_common.core import Delivery, Logs, Message, ReceivedObject
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline._events._dead_letter import letters_of
from dicom_common.pipeline._worker._request import PoisonError, open_object, request_of


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


class Distant:
    """A storage whose objects are no files of this machine; it counts what is read."""

    def __init__(self, storage: Any) -> None:
        self._storage, self.bytes_read = storage, 0
        self.stat, self.write, self.delete, self.close = storage.stat, storage.write, storage.delete, storage.close

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        for chunk in self._storage.read(key, start=start, length=length):
            self.bytes_read += len(chunk)
            yield chunk


def test_of_a_distant_object_with_a_known_digest_only_the_header_is_read(site: Site, make: Make) -> None:
    [result] = queue(site, make(payload=bytes(3 << 20)))
    with Services(site.config(**QUEUED)) as services, services.broker.consume([TOPIC], "look") as consumer:
        request = request_of(consumer.receive(1, timeout=5)[0].message)
        distant = Distant(services.storage)
        distant.stat = lambda key: replace(services.storage.stat(key), sha256=request.sha256)  # as in object stores
        candidate = open_object(request, distant, ReaderSettings(), 4096)  # type: ignore[arg-type]  # all that is used
        assert candidate.instance.sha256 == request.sha256
        assert distant.bytes_read < 10_000
        with candidate.source() as source:
            assert source.read() == site.objects[str(result.key)]  # type: ignore[union-attr]  # it is a stream here


def test_of_a_distant_object_without_a_digest_all_is_read_before_it_is_believed(site: Site, make: Make) -> None:
    [result] = queue(site, make(payload=bytes(1 << 16)))
    file = site.data / "objects" / str(result.key)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with Services(site.config(**QUEUED)) as services, services.broker.consume([TOPIC], "look") as consumer:
        request = request_of(consumer.receive(1, timeout=5)[0].message)
        distant = Distant(services.storage)
        distant.stat = lambda key: replace(services.storage.stat(key), sha256=None)
        with pytest.raises(PoisonError, match="digest-differs"):
            open_object(request, distant, ReaderSettings(), 4096)  # type: ignore[arg-type]  # all that is used


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


POISON: dict[str, Callable[[bytes], bytes]] = {
    "lists without end": lambda _: b"[" * 200_000,
    "objects that nest in a field": lambda body: body[:-1] + b',"more":' + b'{"a":' * 3_000 + b"1" + b"}" * 3_001,
    "a list that nests where a text belongs": lambda body: _with(body, "source_ae", b"[" * 90 + b"]" * 90),
    "a size without end": lambda body: _with(body, "file_size", b"1e999"),
    "a size of 5,000 digits": lambda body: _with(body, "file_size", b"9" * 5_000),
    "a size that is no integer": lambda body: _with(body, "file_size", b"true"),
    "an address that is an object": lambda body: _with(body, "source_ip", b'{"a": 1}'),
    "half a surrogate": lambda body: _with(body, "source_ae", rb'"\ud800"'),
    "a name twice": lambda body: body[:-1] + b',"sop_uid":"2.25.9"}',
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "NaN": lambda body: body[:-1] + b',"more":NaN}',
}
"""What is made of the body of a message of ours."""


def _with(body: bytes, name: str, text: bytes) -> bytes:
    fields = json.loads(body)
    del fields[name]
    return json.dumps(fields).encode()[:-1] + b', "' + name.encode() + b'": ' + text + b"}"


def test_messages_that_nest_deep_are_poison_and_stop_no_worker(site: Site, make: Make) -> None:
    queue(site, make(1))
    [sent] = messages(site, TOPIC)
    publish(site, *(Message(key=sent.key, body=spoil(sent.body), headers=sent.headers) for spoil in POISON.values()))
    queue(site, make(2))
    work(site)
    assert len(site.rows) == 2
    assert [letter.headers["dead-reason"] for letter in messages(site, DEAD)] == ["unreadable-message"] * len(POISON)


@pytest.mark.parametrize("kind", POISON)
def test_a_message_that_nests_deep_is_listed_among_the_dead_letters(site: Site, make: Make, kind: str) -> None:
    queue(site, make(1))
    [sent] = messages(site, TOPIC)
    headers = {**sent.headers, "dead-file-path": "local/elsewhere", "dead-partition": "0", "dead-offset": "0"}
    letter = Message(key=sent.key, body=POISON[kind](sent.body), headers=headers)
    [found] = letters_of([Delivery(topic=DEAD, message=letter, partition=0, offset=0)])
    original = found.original()
    assert (original.key, original.headers["tenant"]) == (sent.key, "local")
    assert "elsewhere" in original.body.decode(errors="replace") or original.body == letter.body
