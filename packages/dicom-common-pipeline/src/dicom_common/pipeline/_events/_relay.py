"""From the outbox to the broker: at least once, in order for each key."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter

from dicom_common.core import BackendError, Event, Message, PublishError, TooLargeError
from dicom_common.host import Services
from dicom_common.pipeline._events._messages import node_id
from dicom_common.pipeline._events._publish_dead import DeadLetterPublisher, DeadReason, is_too_large

__all__ = ["Relay"]

_log = logging.getLogger(__name__)
_IDLE = 0.5
_MAX_PAUSE = 30.0


class Relay:
    """Publishes the events that wait in the outbox. Several may run: one at a time has the outbox, the others wait.

    An event leaves the outbox only when the broker has it durably. A relay that dies in between publishes it again:
    consumers recognise it by its event id. A topic that the broker does not take holds up no other topic, but for those
    events that stand behind a whole batch of its own. An event that the broker never takes, because it is too large,
    goes to the topic `<topic>.dead`; its neighbours go on.

    Args:
        services: the backends.
        batch: how many events are published at once.
        lease: seconds for which the outbox is this relay's, from each batch on: so long do others wait if it dies.
    """

    def __init__(self, services: Services, *, batch: int = 500, lease: float = 30.0) -> None:
        self._services = services
        self._batch, self._lease = batch, lease
        self._name = f"{node_id()}-{id(self):x}"
        self._dead_letters: DeadLetterPublisher | None = None

    def run_once(self) -> int:
        """Publish one batch and return how many events it had; 0 where none wait or another relay has the outbox.

        Raises:
            BackendError: the index or the broker failed. Nothing is lost, some events may be published again.
        """
        events = self._services.db.pending(self._batch, relay=self._name, lease=self._lease)
        try:
            return self._publish_all(events)
        finally:
            if len(events) < self._batch:
                self._release()

    def drain(self, time_limit: float) -> int:
        """Publish until nothing waits or the time limit (seconds) is over; return how many events still wait.

        Raises:
            BackendError: as `run_once`.
        """
        end = time.monotonic() + time_limit
        while time.monotonic() < end:
            if not self.run_once():
                waiting = self._services.db.backlog().events
                if not waiting:
                    return 0
                time.sleep(min(_IDLE / 5, time_limit))
        self._release()
        return self._services.db.backlog().events

    def release(self) -> None:
        """Let another relay have the outbox at once; without this it waits until the lease of this one ends.

        `drain` and `run` do it at their end, `run_once` when it has published less than a batch.

        Raises:
            BackendError: the index cannot be written.
        """
        self._services.db.pending(0, relay=self._name, lease=0)

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set. A broker or an index that is down is tried again, at growing intervals."""
        pause, published = _IDLE, 0
        while not stop.is_set():
            try:
                # An idle relay only reads: to ask for the outbox is a write, and a sync of the disk. Behind a whole
                # batch there are likely more, and counting a long outbox takes longer than publishing from it.
                behind = published >= self._batch
                waiting = behind or self._services.db.backlog().events
                published = self.run_once() if waiting else 0
            except BackendError as error:
                pause, published = min(pause * 2, _MAX_PAUSE), 0
                _log.warning("events wait in the outbox, next try in %g s: %s", pause, error)
                stop.wait(pause)
            else:
                pause = _IDLE
                if published < self._batch:
                    # What is added meanwhile is one batch then: each costs the index some transactions. What waits and
                    # was not published is another relay's; counted twice a second, millions would keep the index busy.
                    is_others = waiting and not published and not behind
                    stop.wait(max(_IDLE, self._lease / 10) if is_others else _IDLE)
        self._release()

    def _publish_all(self, events: Sequence[Event]) -> int:
        """Publish topic by topic, each in the outbox's order: keys are ordered within a topic only."""
        done: list[Event] = []
        failure: BackendError | None = None
        try:
            for topic, group in groupby(sorted(events, key=attrgetter("topic")), key=attrgetter("topic")):
                try:
                    done += self._publish(topic, list(group))
                except BackendError as error:
                    failure = failure or error
                except Exception as error:  # noqa: BLE001 - such as a topic's name that this broker does not take
                    what = f"The broker failed at the topic {topic!r} ({type(error).__name__}): look at its name."
                    failure = failure or BackendError(what)
        finally:
            if done:
                self._services.db.published(done)
        if failure is not None:
            raise failure
        return len(done)

    def _publish(self, topic: str, events: Sequence[Event]) -> list[Event]:
        """Publish events of one topic and return those that are done."""
        try:
            self._services.broker.publish(topic, [_message(event) for event in events])
        except TooLargeError:
            return self._publish_singly(topic, events)
        except PublishError as error:
            if not error.failed:
                raise
            done, held = _held_up(events, error.failed)
            if is_too_large(error):
                return done + self._publish_singly(topic, held)
            if not done:
                raise
            _log.warning("the broker took %d of %d messages: %s", len(done), len(events), error)
            return done
        return list(events)

    def _publish_singly(self, topic: str, events: Sequence[Event]) -> list[Event]:
        """Publish one by one, what is too large as dead letters; at the first other failure the rest has to wait."""
        done: list[Event] = []
        end = time.monotonic() + self._lease / 3  # others are asked for before it ends
        for event in events:
            if done and time.monotonic() > end:
                break
            try:
                self._publish_alone(topic, event)
            except BackendError as error:
                if not done:
                    raise
                _log.warning("the broker took %d of %d messages: %s", len(done), len(events), error)
                break
            done.append(event)
        return done

    def _publish_alone(self, topic: str, event: Event) -> None:
        message = _message(event)
        try:
            self._services.broker.publish(topic, [message])
        except BackendError as error:
            if not is_too_large(error):
                raise
            self._dead_letters = self._dead_letters or DeadLetterPublisher(self._services.broker)
            self._dead_letters.publish(topic, message, DeadReason.TOO_LARGE, attempts="1")

    def _release(self) -> None:
        """Release the outbox at an end that must not fail by that."""
        try:
            self.release()
        except BackendError as error:
            _log.debug("the outbox stays leased for a while: %s", error)


def _message(event: Event) -> Message:
    return Message(key=event.key, body=event.body, headers=event.headers)


def _held_up(events: Sequence[Event], failed: Collection[int]) -> tuple[list[Event], list[Event]]:
    """Split into those that are done, and those that failed or stand behind a failed one of their key."""
    done: list[Event] = []
    held: list[Event] = []
    keys = set()
    for number, event in enumerate(events):
        if number in failed:
            keys.add(event.key)
        (held if event.key in keys else done).append(event)
    return done, held
