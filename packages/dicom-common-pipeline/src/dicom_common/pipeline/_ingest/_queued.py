"""The receiver's half of queued mode: write, publish, acknowledge. The index is not asked; a worker does the rest.

Every object gets a key of its own. Without the index nobody here can know which keys are discarded, and an object that
is written where another is about to be deleted would go with it. So the same bytes that come twice are two objects
until the worker, which decides by the rules of direct mode, discards one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dicom_common.core import BackendError, HealthStatus, Message, PublishError, TooLargeError, UnavailableError
from dicom_common.pipeline._events._bury import is_too_large
from dicom_common.pipeline._events._messages import storage_message
from dicom_common.pipeline._ingest._batch import Batch
from dicom_common.pipeline._ingest._results import Result, Status
from dicom_common.pipeline._ingest._write import Attempt

__all__ = ["QueuedBatch"]

_log = logging.getLogger(__name__)


class QueuedBatch(Batch):
    """One walk of a batch through the receiver's half. A broker that does not take it is an answer with `retry`."""

    def store(self) -> dict[int, Result]:
        """Take the batch in and return an answer for each position."""
        attempts = [Attempt(position, candidate, "") for position, candidate in self._candidates.items()]
        if (obstacle := self._obstacle()) is not None:
            for attempt in attempts:
                self._answers.backend_failed(attempt, "broker", obstacle)
            return self._answers.results
        for attempt in attempts:
            attempt.key = self._unique_key(attempt)
        written = self._write([attempt for attempt in attempts if self._is_accepted(attempt)])
        if written:
            self._publish(written)
        return self._answers.results

    def _obstacle(self) -> BackendError | None:
        """After a publish that failed ask first: objects whose message cannot be sent must not pile up."""
        context = self._context
        if not context.broker_is_down.is_set():
            return None
        health = context.services.health("broker")
        return UnavailableError(health.detail) if health.status is HealthStatus.FAILED else None

    def _publish(self, attempts: Sequence[Attempt]) -> None:
        context = self._context
        messages = [
            storage_message(
                self._entry(attempt, self._received(attempt)), attempt.candidate.received.origin, context.node
            )
            for attempt in attempts
        ]
        failures = self._failures(messages)
        if not failures:
            context.broker_is_down.clear()
        elif not all(isinstance(failure, TooLargeError) for failure in failures.values()):
            context.broker_is_down.set()
        if failures:
            _log.warning("%d objects are stored without a message; reconcile indexes them", len(failures))
        for number, attempt in enumerate(attempts):
            if number in failures:
                self._answers.backend_failed(attempt, "broker", failures[number])
            else:
                self._answers.accept(attempt, Status.QUEUED, attempt.key, "")

    def _failures(self, messages: Sequence[Message]) -> dict[int, BackendError]:
        """Publish messages, and return by their positions why some failed: one that is too large spoils no other."""
        try:
            self._context.services.broker.publish(self._context.topics.storage, messages)
        except BackendError as error:
            failed = error.failed if isinstance(error, PublishError) else range(len(messages))
            if not is_too_large(error):
                return dict.fromkeys(failed, error)
            if len(messages) == 1:
                return {0: error if isinstance(error, TooLargeError) else TooLargeError(str(error))}
            answers = {number: self._failures([messages[number]]) for number in failed}
            return {number: answer[0] for number, answer in answers.items() if answer}
        return {}
