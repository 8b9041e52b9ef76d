"""A member of a consumer group.

Kafka knows one offset for each partition of a group: all before it is dealt with. So what is acknowledged out of order
is kept here until what stands before it is acknowledged, too; after a crash it comes again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.structs import OffsetAndMetadata

from dicom_common.broker.kafka._clients import common, translated
from dicom_common.broker.kafka._settings import Settings
from dicom_common.core import BackendError, Delivery, Message, UnavailableError

__all__ = ["GroupMember"]

_SLICE = 1.0
"""Seconds that one poll waits: a longer wait is several, so that a signal is noticed."""


class _Held:
    """What this member has received of a partition and not committed."""

    __slots__ = ("committed", "next", "open")

    def __init__(self, offset: int) -> None:
        self.committed = self.next = offset
        self.open: set[int] = set()
        """Received, not acknowledged."""

    def commit_at(self) -> int:
        """Return the offset before which all is acknowledged."""
        return min(self.open, default=self.next)


class GroupMember:
    """See `Consumer`; made by `KafkaBroker.consume`. Belongs to one thread.

    A member that takes longer than `max_poll_interval` for what it received is taken for dead; its work goes to others,
    and what it then acknowledges is refused with `UnavailableError`.
    """

    def __init__(self, settings: Settings, topics: Sequence[str], group: str) -> None:
        self._settings = settings
        self._topics = frozenset(topics)
        self._held: dict[TopicPartition, _Held] = {}
        self._early: list[Delivery] = []
        self._process = os.getpid()
        with translated(settings):
            self._consumer: KafkaConsumer | None = KafkaConsumer(
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # where a group begins is written down before; this is for what expired
                # Members that stay keep their partitions, and what they hold of them, while others come and go.
                partition_assignment_strategy=(CooperativeStickyAssignor,),
                session_timeout_ms=int(settings.session_timeout * 1000),
                heartbeat_interval_ms=max(100, int(settings.session_timeout * 1000 / 10)),
                max_poll_interval_ms=int(settings.max_poll_interval * 1000),
                max_partition_fetch_bytes=max(1 << 20, settings.max_message_bytes),
                allow_auto_create_topics=False,
                metrics_enabled=False,
                **common(settings),
            )
            self._consumer.subscribe(topics=list(topics), listener=_Listener(self._held))
            for topic in topics:
                # Asked for now: a member that joins before it knows the partitions assigns none to itself, and only
                # notices when its view of the cluster is refreshed, minutes later.
                self._consumer.partitions_for_topic(topic)

    def receive(self, max_messages: int, *, timeout: float) -> list[Delivery]:
        """See `Consumer.receive`."""
        if max_messages < 1 or timeout < 0:
            raise ValueError("max_messages of a receive must be at least 1, and its timeout not negative")
        deadline = time.monotonic() + timeout
        consumer = self._opened()
        if self._early:
            early, self._early = self._early[:max_messages], self._early[max_messages:]
            return early
        while True:
            left = max(0.0, deadline - time.monotonic())
            with translated(self._settings):
                found = consumer.poll(timeout_ms=int(min(left, _SLICE) * 1000), max_records=max_messages)
            if found or left <= 0:
                return [self._delivery(record) for records in found.values() for record in records]

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """See `Consumer.acknowledge`.

        Raises:
            UnavailableError: a partition belongs to another member now; its messages are delivered again.
        """
        consumer = self._opened()
        lost = False
        for delivery in deliveries:
            if delivery.topic not in self._topics:
                raise ValueError("a delivery that is acknowledged must be of one of the consumer's topics")
            held = self._held.get(TopicPartition(delivery.topic, delivery.partition))
            if held is None:
                lost = True
            else:
                held.open.discard(delivery.offset)
        moved = {place: held for place, held in self._held.items() if held.commit_at() > held.committed}
        if moved:
            offsets = {place: held.commit_at() for place, held in moved.items()}
            self._commit(consumer, offsets)
            for place, held in moved.items():
                held.committed = offsets[place]
        if lost:
            raise _taken_over()

    def close(self) -> None:
        """See `Consumer.close`."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None and os.getpid() == self._process:
            with translated(self._settings):
                consumer.close(autocommit=False, timeout_ms=5000)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> KafkaConsumer:
        if self._consumer is None:
            raise BackendError("The consumer is closed.")
        return self._consumer

    def _commit(self, consumer: KafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        wanted = {place: OffsetAndMetadata(offset, "", -1) for place, offset in offsets.items()}
        deadline = time.monotonic() + self._settings.timeout
        while wanted:
            with translated(self._settings):
                try:
                    consumer.commit(wanted, timeout_ms=int(self._settings.timeout * 1000))
                except (errors.CommitFailedError, errors.UnknownMemberIdError, errors.IllegalGenerationError):
                    raise _taken_over() from None
                except errors.RebalanceInProgressError:
                    if time.monotonic() > deadline:
                        raise
                    self._rejoin(consumer)
                else:
                    return
            if not self._held.keys() >= wanted.keys():
                raise _taken_over()

    def _rejoin(self, consumer: KafkaConsumer) -> None:
        """Take part in a rebalance, which only a poll does; what it brings is for the next `receive`."""
        found = consumer.poll(timeout_ms=100, max_records=1)
        self._early += [self._delivery(record) for records in found.values() for record in records]

    def _delivery(self, record: Any) -> Delivery:
        place = TopicPartition(record.topic, record.partition)
        held = self._held.get(place)
        if held is None:
            held = self._held[place] = _Held(record.offset)
        held.open.add(record.offset)
        held.next = record.offset + 1
        return Delivery(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            message=Message(
                key=(record.key or b"").decode("utf-8", "replace"),
                body=record.value or b"",
                headers={name: (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()},
            ),
        )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Forgets what was held of partitions that go to other members: it is delivered to them."""

    def __init__(self, held: dict[TopicPartition, _Held]) -> None:
        self._held = held

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Forget them."""
        for place in revoked:
            self._held.pop(place, None)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing: what is held of a partition is known with its first message."""


def _taken_over() -> UnavailableError:
    return UnavailableError(
        "What was acknowledged belongs to another member of the group by now and is delivered to it again: see"
        " broker.max_poll_interval where the work takes long."
    )
