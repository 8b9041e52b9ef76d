"""JSON that nests deep is refused wherever the pipeline reads it, and ends no process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.core import Delivery, Message, TooLargeError
from dicom_common.pipeline import DeadReason, valid_objects
from dicom_common.pipeline._events._dead_letter import letters_of
from dicom_common.pipeline._events._publish_dead import DeadLetterPublisher
from dicom_common.pipeline._worker._request import PoisonError, request_of
from dicom_common.toolkit import MAX_JSON_DEPTH

DEEP = {
    "open lists": b"[" * 100_000,
    "closed lists": b"[" * 40_000 + b"]" * 40_000,
    "objects within a field": b'{"sop_uid":' * 20_000 + b'"1.2"' + b"}" * 20_000,
    "one level too many": b'{"sop_uid":"1.2","more":'
    + b"[" * (MAX_JSON_DEPTH + 1)
    + b"]" * (MAX_JSON_DEPTH + 1)
    + b"}",
}
each_body = pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
HEADERS = {"schema-version": "1", "content-digest": "sha256:00", "tenant": "local", "event-id": "e"}


@each_body
def test_as_a_request_to_index_it_is_poison(body: bytes) -> None:
    with pytest.raises(PoisonError) as refusal:
        request_of(Message(key="local|1.2|1.3", body=body, headers=HEADERS))
    assert refusal.value.reason is DeadReason.UNREADABLE_MESSAGE


@each_body
def test_as_a_dead_letter_it_is_listed_and_replayed_as_it_came(body: bytes) -> None:
    headers = HEADERS | {"dead-reason": "unreadable-message", "dead-file-path": "local/moved.dcm"}
    message = Message(key="local|1.2|1.3", body=body, headers=headers)
    [letter] = letters_of([Delivery(topic="t.dead", message=message, partition=0, offset=0)])
    assert (letter.file_path, letter.tenant, letter.study_uid) == ("local/moved.dcm", "local", "1.2")
    assert letter.original().body == body


@each_body
def test_as_an_event_that_is_too_large_it_leaves_a_letter_without_its_body(tmp_path: Path, body: bytes) -> None:
    class Small(SqliteBroker):
        def publish(self, topic: str, messages: Sequence[Message]) -> None:
            if any(message.body for message in messages):
                raise TooLargeError("only headers fit")
            super().publish(topic, messages)

    with closing(Small(Settings(path=tmp_path / "events.sqlite"))) as broker:
        message = Message(key="local|1.2|1.3", body=body, headers=HEADERS)
        DeadLetterPublisher(broker).publish("t", message, DeadReason.TOO_LARGE)
        with broker.consume(["t.dead"], "look") as consumer:
            [delivery] = consumer.receive(1, timeout=5)
    headers = delivery.message.headers
    assert (headers["dead-body"], headers["dead-body-bytes"]) == ("omitted", str(len(body)))
    assert "dead-sop-uid" not in headers


@each_body
def test_as_metadata_of_an_instance_it_is_left_out(body: bytes) -> None:
    good = b'{"00080018":{"vr":"UI","Value":["1.2"]}}'
    kept = list(valid_objects([body, good]))
    # Sequences nest deeper than messages: what Python can read is kept.
    assert kept == ([body, good] if body == DEEP["one level too many"] else [good])


def test_sequences_as_deep_as_the_reader_takes_them_are_kept() -> None:
    levels = 128
    nested = b'{"00081140":{"vr":"SQ","Value":[' * levels + b"{}" + b"]}}" * levels
    assert list(valid_objects([nested])) == [nested]
