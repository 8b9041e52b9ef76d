"""The broker itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress

from acme_redis_streams._settings import Settings, place, translated
from acme_redis_streams._store import StreamStore
from dicom_common.broker.leases import GroupConsumer, backlog, forget, join, lowest_position, partition_of
from dicom_common.core import (
    BackendError,
    Health,
    HealthStatus,
    Message,
    PublishError,
    TooLargeError,
    UnavailableError,
    validate_topic,
)

__all__ = ["RedisStreamsBroker"]

_SWEEP_SECONDS = 60.0


class RedisStreamsBroker:
    """Topics as Redis streams; the methods promise what `dicom_common.core.Broker` says."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: StreamStore | None = StreamStore(settings)
        self._next_sweep = time.monotonic() + _SWEEP_SECONDS

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Publish all or none, by one script; the server has written them to its disk when it answers."""
        store = self._opened()
        validate_topic(topic)
        if not messages:
            return
        if max(len(message.body) for message in messages) > self._settings.max_message_bytes:
            raise TooLargeError(
                f"{store.name} takes no message of more than {self._settings.max_message_bytes} bytes: raise"
                " broker.max_message_bytes."
            )
        try:
            if not (count := len(store.partitions(topic))):
                store.make_topics([topic])
                count = len(store.partitions(topic))
            store.publish(topic, [(partition_of(message.key, count), message) for message in messages])
        except UnavailableError as error:
            raise PublishError(str(error), tuple(range(len(messages)))) from error
        self._sweep(store, topic)

    def consume(self, topics: Sequence[str], group: str, *, from_start: bool = True) -> GroupConsumer:
        """Join a group, over a client of its own."""
        self.create_topics(topics)
        store = StreamStore(self._settings)
        try:
            return join(store, topics, group, lease=self._settings.lease, from_start=from_start)
        except BaseException:
            store.close()
            raise

    def backlog(self, topic: str, group: str) -> int:
        """Count what a group has not acknowledged."""
        return backlog(self._opened(), validate_topic(topic), group)

    def forget(self, group: str) -> None:
        """Forget a group; see `dicom_common.core.Groups`."""
        forget(self._opened(), group)

    def create_topics(self, topics: Iterable[str]) -> None:
        """Make the topics that are missing."""
        self._opened().make_topics([validate_topic(topic) for topic in topics])

    def check(self) -> Health:
        """Write something, and look whether the server writes to its disk before it answers."""
        self._opened()
        with closing(StreamStore(self._settings)) as store, translated(store.name):
            store.client.incr(self._settings.prefix + "probe")
            kept = {key: store.client.config_get(key).get(key) for key in ("appendonly", "appendfsync")}
            if kept != {"appendonly": "yes", "appendfsync": "always"}:
                detail = f"{store.name} may lose messages when it dies: set appendonly yes and appendfsync always."
                return Health(status=HealthStatus.DEGRADED, detail=detail)
        return Health(status=HealthStatus.OK, detail=f"{place(self._settings)} can be published to.")

    def close(self) -> None:
        """Close the client. Consumers live on until they are closed themselves."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def _opened(self) -> StreamStore:
        if self._store is None:
            raise BackendError(f"The broker on {place(self._settings)} is closed.")
        return self._store

    def _sweep(self, store: StreamStore, topic: str) -> None:
        """Drop what all groups have acknowledged, now and then. The publish is done: no failure here undoes it."""
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + _SWEEP_SECONDS
        with suppress(BackendError):
            for partition, bounds in zip(store.partitions(topic), store.bounds(topic), strict=True):
                seen = lowest_position(store, partition)
                enough = bounds.next - self._settings.keep_messages
                store.drop(partition, min(enough, bounds.next if seen is None else seen))
