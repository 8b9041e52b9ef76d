"""Which objects the messages that wait still need: those are not to be deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from dicom_common.core import BackendError, NotFoundError
from dicom_common.host import Services
from dicom_common.pipeline._events._dead_letters import DeadLetters
from dicom_common.pipeline._settings import IngestSettings, TopicSettings, WorkerSettings

__all__ = ["Need", "NeededObjects"]

_UNDERWAY = timedelta(hours=1)
"""A receiver writes a batch and publishes then: of what is younger, the message may not be there yet."""


class Need(StrEnum):
    """Why an object is still needed, as a person reads it."""

    DEAD_LETTER = "a dead letter waits for it"
    QUEUED = "messages wait for the workers, and may be of it"
    MESSAGE_UNDERWAY = "it is less than an hour old, and its message may be underway"
    LETTERS_IN_USE = "another process has dead letters, which may be of it"
    UNKNOWN = "the broker does not say which messages wait, and they may be of it"


class NeededObjects:
    """The objects of dead letters; asked for once, when the first object is to be judged.

    While messages wait for the workers, or the broker does not answer what waits, it may be any object.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._is_queued = services.settings("ingest", IngestSettings).mode == "queued"
        self._asked: datetime | None = None
        self._keys: frozenset[str] | Need = frozenset()
        """The keys of the objects, or why it may be any."""

    def why(self, key: str, written: datetime, *, is_copy: bool = False) -> Need | None:
        """Return why an object is still needed; None where no message needs it.

        Args:
            key: where the object is.
            written: when.
            is_copy: the index has the same bytes: then a message that is still to come does not need it.
        """
        if self._asked is None:
            self._asked, self._keys = datetime.now(UTC), self._ask()
        if isinstance(self._keys, Need):
            return self._keys
        if self._is_queued and not is_copy and written > self._asked - _UNDERWAY:
            return Need.MESSAGE_UNDERWAY
        return Need.DEAD_LETTER if key in self._keys else None

    def _ask(self) -> frozenset[str] | Need:
        broker = self._services.broker
        topic = self._services.settings("topics", TopicSettings).storage
        group = self._services.settings("worker", WorkerSettings).group
        try:
            # In this order: a worker acknowledges a message after its letter is published.
            if broker.backlog(topic, group):
                return Need.QUEUED
            with DeadLetters(broker, [topic]) as letters:
                found = letters.read()
                if not letters.is_complete:
                    return Need.LETTERS_IN_USE
            if broker.backlog(topic, group):  # a replay publishes a message before its letter goes
                return Need.QUEUED
        except NotFoundError:  # no such topic
            return frozenset()
        except BackendError:
            return Need.UNKNOWN
        return frozenset(letter.file_path for letter in found)
