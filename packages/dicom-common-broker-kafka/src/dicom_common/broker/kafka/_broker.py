"""The broker itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from dicom_common.broker.kafka._clients import is_refused
from dicom_common.broker.kafka._consumer import GroupMember
from dicom_common.broker.kafka._groups import Administration
from dicom_common.broker.kafka._producer import Publisher
from dicom_common.broker.kafka._settings import Settings
from dicom_common.broker.kafka._topics import warnings
from dicom_common.core import (
    BackendError,
    Health,
    HealthStatus,
    Message,
    PublishError,
    UnavailableError,
    validate_topic,
)

__all__ = ["KafkaBroker"]

T = TypeVar("T")


class KafkaBroker:
    """Topics in Kafka. Opening it connects to nothing; a forked child makes its own connections.

    Args:
        settings: where, and how.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closed = False
        self._publisher: Publisher | None = None
        self._administration: Administration | None = None
        self._known: set[str] = set()
        """Topics that were seen to exist."""
        self._fresh()

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """See `Broker.publish`."""
        validate_topic(topic)
        if not messages:
            return
        try:
            self._exists([topic])
            publisher = self._publisher_of_process()
        except UnavailableError as error:
            raise PublishError(str(error), tuple(range(len(messages)))) from error
        try:
            publisher.publish(topic, messages)
        except PublishError:
            # kafka-python's producer does not always recover from batches that expired (seen: it then lets every later
            # one expire, too). A new one costs a few round trips, and nothing is lost with the old one.
            self._give_up(publisher)
            raise

    def consume(self, topics: Sequence[str], group: str, *, from_start: bool = True) -> GroupMember:
        """See `Broker.consume`. The group is joined by the first `receive`."""
        if not topics or not group:
            raise ValueError("a consumer needs a group and at least one topic")
        for topic in topics:
            validate_topic(topic)
        self._exists(topics)
        self._administer(lambda admin: admin.fix_start(topics, group, from_start=from_start))
        return GroupMember(self._settings, topics, group)

    def backlog(self, topic: str, group: str) -> int:
        """See `Broker.backlog`."""
        validate_topic(topic)
        self._exists([topic])
        return self._administer(lambda admin: admin.backlog(topic, group))

    def forget(self, group: str) -> None:
        """See `Groups.forget`."""
        self._administer(lambda admin: admin.forget(group))

    def create_topics(self, topics: Iterable[str]) -> None:
        """See `Broker.create_topics`."""
        names = [validate_topic(topic) for topic in topics]
        if names:
            self._administer(lambda admin: admin.create(names))
            self._known.update(names)

    def check(self) -> Health:
        """See `Broker.check`."""
        self._alive()
        where = ", ".join(self._settings.servers)
        if is_refused(self._settings):
            raise UnavailableError(f"No broker listens at {where}: start it, or correct broker.servers.")
        started = time.monotonic()
        facts = self._administer(Administration.facts)
        facts["seconds"] = round(time.monotonic() - started, 4)
        return Health(status=HealthStatus.OK, detail=f"Kafka at {where} answers.", facts=facts)

    def check_topics(self, topics: Iterable[str]) -> Health:
        """See `TopicChecks.check_topics`.

        A cluster of one broker has no second copy of anything; that is said, and is not a fault of a topic.
        """
        names = [validate_topic(topic) for topic in topics]
        known = self._administer(lambda admin: admin.topics(names))
        brokers = int(self._administer(Administration.facts)["brokers"])
        facts: dict[str, str | int | float | bool] = {"topics": len(known), "brokers": brokers}
        wrong = warnings(known, brokers=brokers, max_message_bytes=self._settings.max_message_bytes)
        if wrong:
            detail = f"Messages may be lost by the settings of topics. {'; '.join(wrong)}."
            return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
        detail = "The topics keep what is published."
        if brokers == 1:
            detail = "The topics keep what is published; the one broker has the only copy of it."
        return Health(status=HealthStatus.OK, detail=detail, facts=facts)

    def close(self) -> None:
        """See `Broker.close`. Consumers live on until they are closed themselves."""
        self._closed = True
        if os.getpid() != self._process:
            return
        publisher, self._publisher = self._publisher, None
        administration, self._administration = self._administration, None
        if publisher is not None:
            publisher.close()
        if administration is not None:
            administration.close()

    def _fresh(self) -> None:
        self._process = os.getpid()
        self._opening, self._administering = threading.Lock(), threading.Lock()
        self._publisher = self._administration = None

    def _alive(self) -> None:
        if self._closed:
            raise BackendError("The Kafka broker is closed.")
        if os.getpid() != self._process:
            self._fresh()  # the threads of the parent's clients do not exist here

    def _publisher_of_process(self) -> Publisher:
        self._alive()
        publisher = self._publisher
        if publisher is None:
            with self._opening:
                publisher = self._publisher = self._publisher or Publisher(self._settings)
        return publisher

    def _give_up(self, publisher: Publisher) -> None:
        with self._opening:
            if self._publisher is not publisher:
                return  # another thread has
            self._publisher = None
        publisher.close()

    def _administer(self, work: Callable[[Administration], T]) -> T:
        self._alive()
        with self._administering:
            if self._administration is None:
                self._administration = Administration(self._settings)
            return work(self._administration)

    def _exists(self, topics: Sequence[str]) -> None:
        self._alive()
        if self._settings.create_topics and not self._known.issuperset(topics):
            self.create_topics(topics)
