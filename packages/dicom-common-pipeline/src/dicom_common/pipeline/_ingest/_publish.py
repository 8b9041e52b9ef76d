"""Publishing the messages that ask workers to index, and answering the senders: the end of a receiver's work."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dicom_common.core import BackendError, HealthStatus, Message, PublishError, TooLargeError, UnavailableError
from dicom_common.pipeline._events._messages import storage_message
from dicom_common.pipeline._events._publish_dead import is_too_large
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._reasons import BackendKind
from dicom_common.pipeline._ingest._results import Status

__all__ = ["broker_failure", "publish"]

_log = logging.getLogger(__name__)


def broker_failure(context: Context) -> BackendError | None:
    """After a publish that failed, ask first: objects whose message cannot be published must not pile up."""
    if not context.broker_is_down.is_set():
        return None
    health = context.services.health("broker")
    return UnavailableError(health.detail) if health.status is HealthStatus.FAILED else None


def publish(context: Context, items: Sequence[Item]) -> None:
    """Publish a message for each item whose object is durable, and answer the items."""
    if not items:
        return
    messages = [storage_message(item.entry(context.settings), context.trace(item)) for item in items]
    failures = _publish_all(context, messages)
    if not failures:
        context.broker_is_down.clear()
    elif not all(isinstance(failure, TooLargeError) for failure in failures.values()):
        context.broker_is_down.set()
    if failures:
        _log.warning("%d objects are stored without a message: run `dicom-common reconcile --repair`.", len(failures))
    for number, item in enumerate(items):
        if number in failures:
            item.reject_failed(BackendKind.BROKER, failures[number])
        else:
            item.acknowledge(Status.QUEUED, item.key)


def _publish_all(context: Context, messages: Sequence[Message]) -> dict[int, BackendError]:
    """Publish messages, and return by their positions why some failed: one that is too large spoils no other."""
    try:
        context.services.broker.publish(context.topics.storage, messages)
    except BackendError as error:
        failed = error.failed if isinstance(error, PublishError) else range(len(messages))
        if not is_too_large(error):
            return dict.fromkeys(failed, error)
        if len(messages) == 1:
            return {0: error if isinstance(error, TooLargeError) else TooLargeError(str(error))}
        answers = {number: _publish_all(context, [messages[number]]) for number in failed}
        return {number: answer[0] for number, answer in answers.items() if answer}
    return {}
