"""The Protocol of a message broker: durable topics, read by groups of consumers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from dicom_common.core._health import Health

__all__ = ["DEAD_LETTERS", "Broker", "Consumer", "Delivery", "Groups", "Message", "TopicChecks", "validate_topic"]

DEAD_LETTERS = ".dead"
"""How the name of a topic of dead letters ends: what is published there stays until it is dealt with."""
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def validate_topic(name: str) -> str:
    """Return `name` if it is one of a topic: 1 to 249 of the characters `a-z A-Z 0-9 . _ -`.

    Raises:
        ValueError: it is not.
    """
    if _TOPIC.fullmatch(name) is None:
        raise ValueError("the name of a topic has 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is published: a body, the key that orders it, and headers (ASCII names, text values)."""

    key: str
    body: bytes = field(repr=False)  # it holds a patient's attributes, and a repr may end up in a log
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message as a consumer receives it."""

    topic: str
    message: Message
    partition: int
    offset: int
    """`(topic, partition, offset)` is the same each time that the message is delivered, and of no other message."""


class Consumer(AbstractContextManager["Consumer", None], Protocol):
    """A member of a consumer group. Belongs to one thread. A context manager that closes itself."""

    def receive(self, max_messages: int, *, timeout: float) -> list[Delivery]:
        """Wait up to `timeout` seconds for messages and return 1 to `max_messages` of them; none after a time-out.

        Messages of one key arrive in the order in which they were published. What was received and not acknowledged is
        not delivered again to this consumer, but to the group after `close`, a crash, or a rebalance.
        """
        ...

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Say that these deliveries are dealt with: durable on return, the group does not see them again."""
        ...

    def close(self) -> None:
        """Leave the group; what was not acknowledged goes to others. A second call does nothing."""
        ...


class Broker(Protocol):
    """Topics of messages. Thread-safe. Every method may raise `UnavailableError` and `RefusedError`.

    The name of a topic is what `validate_topic` lets through, else ValueError.
    """

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Publish messages; on return the broker has them all durably.

        Raises:
            PublishError: it does not have all; the error says which, and whether one of them was too large.
            TooLargeError: one of them is larger than the broker takes, and it has none of them. In both cases its
                neighbours may have failed with it: which one it is, is known when they are published singly.
        """
        ...

    def consume(self, topics: Sequence[str], group: str, *, from_start: bool = True) -> Consumer:
        """Join a consumer group: each message goes to one member of the group, at least once.

        A group that is new begins at the first message that is kept, or with `from_start=False` at the next one.
        """
        ...

    def backlog(self, topic: str, group: str) -> int:
        """Count the messages of a topic that the group has not acknowledged."""
        ...

    def create_topics(self, topics: Iterable[str]) -> None:
        """Make sure that the topics exist; those that do are left alone."""
        ...

    def check(self) -> Health:
        """Find out whether the broker can be published to. It may raise, and may hang: see `Health`."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


@runtime_checkable
class Groups(Protocol):
    """A broker that remembers a consumer group, and keeps messages for it, until `forget` is called."""

    def forget(self, group: str) -> None:
        """Forget a group that has no members: no message is kept for it any more. An unknown one is no error."""
        ...


@runtime_checkable
class TopicChecks(Protocol):
    """A broker whose topics have settings of their own, which others may change."""

    def check_topics(self, topics: Iterable[str]) -> Health:
        """Tell whether the settings of topics keep what is published to them: `DEGRADED` where messages may be lost.

        Topics that do not exist, and settings that the user may not see, are passed over.

        Raises:
            BackendError: the broker cannot be asked.
        """
        ...
