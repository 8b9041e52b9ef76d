"""Which objects the messages that wait still need: nobody else may delete those."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dicom_common.core import BackendError, NotFoundError
from dicom_common.host import Services
from dicom_common.pipeline._events._dead_letters import DeadLetters
from dicom_common.pipeline._settings import IngestSettings, TopicSettings, WorkerSettings

__all__ = ["Claimed"]

_UNDERWAY = timedelta(hours=1)
"""A receiver writes a batch and publishes then: of what is younger, the message may not be there yet."""


class Claimed:
    """The objects of dead letters; asked for once, when the first object is to be judged.

    While messages wait for the workers, or the broker does not say what waits, it may be any object.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._is_queued = services.settings("ingest", IngestSettings).mode == "queued"
        self._keys: frozenset[str] | None = None
        self._anything = ""
        """Why it may be any; empty: only the keys are."""

    def why(self, key: str, written: datetime, *, is_copy: bool = False) -> str:
        """Tell why an object is needed still; `""`: it is not, as far as messages go.

        Args:
            key: where the object is.
            written: when.
            is_copy: the index has the same bytes: then a message that is still to come needs it no more.
        """
        if self._keys is None:
            self._asked, self._keys = datetime.now(UTC), self._ask()
        if self._anything:
            return self._anything
        if self._is_queued and not is_copy and written > self._asked - _UNDERWAY:
            return "it is less than an hour old, and its message may be underway"
        return "a dead letter waits for it" if key in self._keys else ""

    def _ask(self) -> frozenset[str]:
        services = self._services
        topic = services.settings("topics", TopicSettings).storage
        group = services.settings("worker", WorkerSettings).group
        waits = "messages wait for the workers, and may be of it"
        try:
            # In this order: a worker acknowledges a message after its letter is published.
            if services.broker.backlog(topic, group):
                self._anything = waits
                return frozenset()
            with DeadLetters(services.broker, [topic]) as letters:
                found = letters.read()
                if not letters.is_complete:
                    self._anything = "another one has dead letters, which may be of it"
            if services.broker.backlog(topic, group):  # a replay publishes a message before its letter goes
                self._anything = waits
            return frozenset(letter.file_path for letter in found)
        except NotFoundError:  # no such topic
            return frozenset()
        except BackendError:
            self._anything = "the broker does not say which messages wait, and they may be of it"
            return frozenset()
