"""Looking after the dead letters: what is dealt with is gone, what is kept waits, whatever stands in front of what."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.core import Broker, Message, PublishError, TooLargeError, UnavailableError
from dicom_common.pipeline import DeadLetter, DeadLetters, dead_topic
from dicom_common.pipeline._events._publish_dead import DeadLetterPublisher

Open = Callable[[], Broker]


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.service("kafka"))])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Open the broker once more."""
    if request.param == "sqlite":
        return lambda: SqliteBroker(Settings(path=tmp_path / "events.sqlite", lease=2))
    from dicom_common.broker.kafka import (  # noqa: PLC0415 - only where the server is
        KafkaBroker,
        Settings as KafkaSettings,
    )

    where = str(request.getfixturevalue("service_endpoint"))
    return lambda: KafkaBroker(KafkaSettings(servers=(where,), partitions=2, session_timeout=6))


@pytest.fixture
def broker(opened: Open) -> Iterator[Broker]:
    with closing(opened()) as broker:
        yield broker


@pytest.fixture
def topic() -> str:
    return f"topic-{uuid.uuid4().hex[:8]}"


def bury(broker: Broker, topic: str, count: int, reasons: tuple[str, ...] = ("one", "two", "three")) -> None:
    broker.publish(
        dead_topic(topic),
        [
            Message(
                key=f"local|1.{number % 2}|2.{number % 2}",
                body=b'{"number": %d}' % number,
                headers={
                    "event-id": f"event-{number}",
                    "tenant": "local",
                    "dead-reason": reasons[number % len(reasons)],
                    "dead-attempts": "3",
                    "dead-topic": topic,
                    "dead-partition": "0",
                    "dead-offset": str(number),
                },
            )
            for number in range(count)
        ],
    )


def read(opened: Open, topic: str) -> list[DeadLetter]:
    with closing(opened()) as broker, DeadLetters(broker, [topic]) as letters:
        found = letters.read()
        assert letters.is_complete
        return found


def together(batches: Iterator[list[DeadLetter]]) -> list[DeadLetter]:
    return [letter for batch in batches for letter in batch]


def offsets(letters: list[DeadLetter]) -> list[int]:
    return sorted(int(letter.place.rpartition("/")[2]) for letter in letters)


def published(broker: Broker, topic: str, count: int) -> list[Message]:
    found: list[Message] = []
    with broker.consume([topic], "look") as consumer:
        while len(found) < count and (more := consumer.receive(1000, timeout=10)):
            found += [delivery.message for delivery in more]
    return found


def test_reading_takes_nothing_away(opened: Open, broker: Broker, topic: str) -> None:
    bury(broker, topic, 30)
    first, again = read(opened, topic), read(opened, topic)
    assert offsets(first) == offsets(again) == list(range(30))
    letter = next(letter for letter in first if letter.place.endswith("/4"))
    assert (letter.place, letter.topic, letter.reason, letter.attempts) == (f"{topic}/0/4", topic, "two", 3)
    assert (letter.tenant, letter.study_uid, letter.series_uid) == ("local", "1.0", "2.0")
    assert "number" not in repr(letter)


def test_what_is_dropped_is_gone_and_what_stands_in_front_of_it_waits_on(
    opened: Open, broker: Broker, topic: str
) -> None:
    bury(broker, topic, 31)
    with DeadLetters(broker, [topic]) as letters:
        chosen = [letter for letter in letters.read() if letter.reason == "three"]
        assert offsets(together(letters.drop(chosen))) == list(range(2, 31, 3))

    left = read(opened, topic)
    assert offsets(left) == [number for number in range(31) if number % 3 != 2]
    for key in ("1.0", "1.1"):
        ours = [int(letter.place.rpartition("/")[2]) for letter in left if letter.study_uid == key]
        assert ours == sorted(ours), "the order of a key"
    assert {letter.reason for letter in left} == {"one", "two"}


def test_what_is_replayed_is_on_its_topic_as_it_was_and_in_order(opened: Open, broker: Broker, topic: str) -> None:
    bury(broker, topic, 24)
    with DeadLetters(broker, [topic]) as letters:
        assert len(together(letters.replay([each for each in letters.read() if each.reason == "one"]))) == 8

    messages = published(broker, topic, 8)
    assert {message.body for message in messages} == {b'{"number": %d}' % number for number in range(0, 24, 3)}
    assert all(message.headers.keys() == {"event-id", "tenant"} for message in messages)
    for key in {message.key for message in messages}:
        ours = [int(message.headers["event-id"].rpartition("-")[2]) for message in messages if message.key == key]
        assert ours == sorted(ours)
    assert len(read(opened, topic)) == 16


def test_who_is_interrupted_goes_on_where_it_stopped(opened: Open, broker: Broker, topic: str) -> None:
    bury(broker, topic, 230)
    with DeadLetters(broker, [topic]) as letters:
        done = next(letters.drop(letters.read()))
    left = read(opened, topic)
    assert len(done) == 100
    assert offsets(done + left) == list(range(230))
    with closing(opened()) as another, DeadLetters(another, [topic]) as letters:
        list(letters.drop(letters.read()))
    assert read(opened, topic) == []


class Refuses(SqliteBroker):
    """Does not take some messages, as a broker that goes away in between."""

    def __init__(self, settings: Settings, topic: str, bodies: Collection[bytes] = ()) -> None:
        super().__init__(settings)
        self._topic, self._bodies = topic, bodies

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if topic != self._topic:
            return super().publish(topic, messages)
        if not self._bodies:
            raise UnavailableError("the broker went away")
        super().publish(topic, [message for message in messages if message.body not in self._bodies])
        failed = tuple(number for number, message in enumerate(messages) if message.body in self._bodies)
        raise PublishError("some were not taken", failed)


def test_a_letter_that_cannot_be_published_waits_on(tmp_path: Path, topic: str) -> None:
    settings = Settings(path=tmp_path / "events.sqlite", lease=2)
    with closing(SqliteBroker(settings)) as broker:
        bury(broker, topic, 12)
    everything = list(range(12))

    def waiting() -> list[int]:
        return offsets(read(lambda: SqliteBroker(settings), topic))

    with (
        closing(Refuses(settings, topic)) as away,
        DeadLetters(away, [topic]) as letters,
        pytest.raises(UnavailableError),
    ):
        list(letters.replay(letters.read()))
    assert waiting() == everything

    # Those in front of a letter that is dropped are put at the end, which fails, too.
    with closing(Refuses(settings, dead_topic(topic))) as away, DeadLetters(away, [topic]) as letters:
        last = [letter for letter in letters.read() if letter.place.endswith(("/10", "/11"))]
        with pytest.raises(UnavailableError):
            list(letters.drop(last))
    assert waiting() == everything

    some = {b'{"number": 3}', b'{"number": 8}'}
    with closing(Refuses(settings, topic, some)) as partly, DeadLetters(partly, [topic]) as letters:
        replayed = letters.replay(letters.read())
        assert len(next(replayed)) == 10
        with pytest.raises(PublishError):
            next(replayed)
    assert waiting() == [3, 8]
    with closing(SqliteBroker(settings)) as broker:
        assert len(published(broker, topic, 10)) == 10


def test_who_reads_while_another_one_has_the_letters_is_told(
    tmp_path: Path, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_common.pipeline._events._dead_letters._JOIN_SECONDS", 0.3)
    settings = Settings(path=tmp_path / "events.sqlite")
    with closing(SqliteBroker(settings)) as broker, closing(SqliteBroker(settings)) as another:
        bury(broker, topic, 8)
        with DeadLetters(broker, [topic]) as first, DeadLetters(another, [topic]) as second:
            assert len(first.read()) == 8
            assert len(second.read()) < 8
            assert (first.is_complete, second.is_complete) == (True, False)


def test_a_letter_is_kept_until_somebody_has_looked_after_it(tmp_path: Path, topic: str) -> None:
    settings = Settings(path=tmp_path / "events.sqlite", keep_days=0)
    message = Message(key="local|1|2", body=b"{}", headers={"event-id": "e", "tenant": "local"})
    with closing(SqliteBroker(settings)) as broker:
        DeadLetterPublisher(broker).publish(
            topic, message, "unreadable-message", partition="0", offset="0", attempts="3"
        )
    with closing(SqliteBroker(settings)) as broker:
        broker.publish(topic, [message])  # which drops what is old
    assert len(read(lambda: SqliteBroker(settings), topic)) == 1


def test_a_letter_that_is_there_twice_is_one(opened: Open, broker: Broker, topic: str) -> None:
    bury(broker, topic, 3)
    bury(broker, topic, 3)  # as one who was killed between publishing and acknowledging leaves it
    assert offsets(read(opened, topic)) == [0, 1, 2]
    with DeadLetters(broker, [topic]) as letters:
        list(letters.drop([letter for letter in letters.read() if letter.reason == "two"]))
    assert offsets(read(opened, topic)) == [0, 2]


def test_two_messages_that_had_the_same_place_are_two_letters(broker: Broker, topic: str) -> None:
    bury(broker, topic, 1)
    headers = {"event-id": "event-of-later", "dead-reason": "one", "dead-partition": "0", "dead-offset": "0"}
    later = Message(key="local|1.0|2.0", body=b"of the topic when it was made anew", headers=headers)
    broker.publish(dead_topic(topic), [later])
    with DeadLetters(broker, [topic]) as letters:
        both = letters.read()
        assert [letter.place for letter in both] == [f"{topic}/0/0"] * 2
        list(letters.replay(both))
    assert {message.body for message in published(broker, topic, 2)} == {later.body, b'{"number": 0}'}


def test_a_message_whose_headers_alone_are_too_large_is_buried(tmp_path: Path, topic: str) -> None:
    class Strict(SqliteBroker):
        """Counts as Kafka does."""

        def publish(self, topic: str, messages: Sequence[Message]) -> None:
            for one in messages:
                texts = (one.key, *one.headers, *one.headers.values())
                if len(one.body) + sum(map(len, texts)) > 1000:
                    raise TooLargeError("no")
            super().publish(topic, messages)

    headers = {"event-id": "e", "tenant": "local", "foreign": "x" * 900}
    with closing(Strict(Settings(path=tmp_path / "events.sqlite"))) as broker:
        broker.publish(topic, [message := Message(key="local|1|2", body=b"{}", headers=headers)])
        DeadLetterPublisher(broker).publish(
            topic, message, "unreadable-message", partition="0", offset="0", attempts="3"
        )
        with DeadLetters(broker, [topic]) as letters:
            [letter] = letters.read()
        assert (letter.place, letter.reason, letter.is_whole) == (f"{topic}/0/0", "unreadable-message", False)
        assert (letter.event_id, letter.tenant, letter.study_uid) == ("e", "local", "1")
        assert letter.message.headers["dead-headers"] == "omitted"


def test_one_without_its_body_is_not_replayed(broker: Broker, topic: str) -> None:
    headers = {"event-id": "e", "dead-body": "omitted"}
    broker.publish(dead_topic(topic), [Message(key="no key of ours", body=b"", headers=headers)])
    with DeadLetters(broker, [topic]) as letters:
        [letter] = letters.read()
        assert (letter.place, letter.is_whole, letter.study_uid) == (f"{topic}/e", False, "")
        with pytest.raises(ValueError, match="body"):
            letters.replay([letter])


def test_a_replay_names_the_key_where_the_object_is_now(broker: Broker, topic: str) -> None:
    body = b'{"file_path":"local/before.dcm","patient_id":"P"}'
    headers = {"event-id": "e", "dead-file-path": "local/after.dcm"}
    broker.publish(dead_topic(topic), [Message(key="local|1|2", body=body, headers=headers)])
    with DeadLetters(broker, [topic]) as letters:
        list(letters.replay(letters.read()))
    [message] = published(broker, topic, 1)
    assert message.body == body.replace(b"before", b"after")
