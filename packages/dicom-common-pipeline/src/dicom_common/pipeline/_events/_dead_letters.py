"""Reading the dead letters that wait, publishing them again, dropping them.

A broker may keep a single offset for each partition of a group, before which all is acknowledged (Kafka does). What is
acknowledged behind a letter that is kept would come again. So the letters in front are first published to the end of
their topic, and then acknowledged where they were: whatever happens in between, none is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from types import TracebackType
from typing import Self

from dicom_common.core import Broker, Delivery, PublishError
from dicom_common.pipeline._events._dead_letter import DeadLetter, letters_of
from dicom_common.pipeline._events._publish_dead import DEAD_GROUP, dead_topic

__all__ = ["DeadLetters"]

_BATCH = 100
_MOST = 1000
"""Messages that are received at once."""
_JOIN_SECONDS = 10.0
"""Seconds to wait for letters that the broker counts: joining a group takes time."""
_Process = Callable[[str, list[DeadLetter]], tuple[list[DeadLetter], PublishError | None]]
"""Processes a batch of a topic; returns the letters that are done, and the error of the others."""


class DeadLetters:
    """The dead letters of some topics, read as a consumer group of their own. A context manager; of one thread.

    Only `replay` and `drop` acknowledge. A reader has its letters for itself: another one at the same time sees only a
    part, and so does one soon after a crash; see `is_complete`.

    Args:
        broker: where they are.
        topics: the topics of the messages.
    """

    def __init__(self, broker: Broker, topics: Iterable[str]) -> None:
        self._broker = broker
        self._topics = [dead_topic(topic) for topic in dict.fromkeys(topics)]
        self._received: list[Delivery] = []
        self.is_complete = True
        """Whether `read` got all that the broker counts."""

    def __enter__(self) -> Self:
        self._consumer = self._broker.consume(self._topics, DEAD_GROUP)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def count(self) -> int:
        """Count what waits, without reading it; what was published twice counts twice.

        Raises:
            BackendError: the broker.
        """
        return sum(self._broker.backlog(topic, DEAD_GROUP) for topic in self._topics)

    def read(self) -> list[DeadLetter]:
        """Read all letters that wait; those of a key in their order. They are in memory together. Call it once.

        Raises:
            BackendError: the broker.
        """
        there = self.count()
        while len(self._received) < there:
            found = self._consumer.receive(min(_MOST, there - len(self._received)), timeout=_JOIN_SECONDS)
            if not found:
                break
            self._received += found
        self.is_complete = len(self._received) >= there
        return letters_of(self._received)

    def replay(self, letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
        """Publish letters to their topics again, in the order given, with key and headers; yield batches that are done.

        Each is acknowledged once it is published. Letters between the two when a replay is interrupted come again, and
        are then published twice: consumers recognise a message by its event id.

        Raises:
            ValueError: one has no body.
            BackendError: the broker; what was not yielded waits.
        """
        if not all(letter.is_whole for letter in letters):
            raise ValueError("a letter that is replayed must have its body")
        return self._settle(letters, self._publish)

    def drop(self, letters: Sequence[DeadLetter]) -> Iterator[list[DeadLetter]]:
        """Acknowledge letters without publishing them, and yield batches that are done.

        Raises:
            BackendError: the broker; what was not yielded waits.
        """
        return self._settle(letters, lambda _, batch: (batch, None))

    def _settle(self, letters: Sequence[DeadLetter], process: _Process) -> Iterator[list[DeadLetter]]:
        self._step_aside(letters)
        for topic, group in groupby(letters, key=attrgetter("topic")):
            while batch := list(islice(group, _BATCH)):
                done, failure = process(topic, batch)
                self._acknowledge(done)
                if done:
                    yield done
                if failure is not None:
                    raise failure

    def _publish(self, topic: str, letters: list[DeadLetter]) -> tuple[list[DeadLetter], PublishError | None]:
        try:
            self._broker.publish(topic, [letter.original() for letter in letters])
        except PublishError as error:
            return [letter for number, letter in enumerate(letters) if number not in error.failed], error
        return letters, None

    def _acknowledge(self, letters: Iterable[DeadLetter]) -> None:
        self._consumer.acknowledge([delivery for letter in letters for delivery in letter.deliveries])

    def _step_aside(self, letters: Sequence[DeadLetter]) -> None:
        """Put the letters that are kept, and stand in front of these, at the end of their topics."""
        last: dict[tuple[str, int], int] = {}
        chosen = set()
        for delivery in (delivery for letter in letters for delivery in letter.deliveries):
            topic, partition, offset = _position(delivery)
            last[topic, partition] = max(offset, last.get((topic, partition), offset))
            chosen.add((topic, partition, offset))
        kept = [
            delivery
            for delivery in self._received
            if _position(delivery) not in chosen
            and delivery.offset < last.get((delivery.topic, delivery.partition), -1)
        ]
        for topic, group in groupby(sorted(kept, key=_position), key=attrgetter("topic")):
            while batch := list(islice(group, _BATCH)):
                self._broker.publish(topic, [delivery.message for delivery in batch])
                self._consumer.acknowledge(batch)


def _position(delivery: Delivery) -> tuple[str, int, int]:
    return delivery.topic, delivery.partition, delivery.offset
