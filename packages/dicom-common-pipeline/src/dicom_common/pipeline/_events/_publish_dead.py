"""Dead letters: messages that cannot be processed, on a topic of their own, with reason and origin in their headers."""

from __future__ import annotations

import hashlib
import logging
from enum import StrEnum

from dicom_common.core import DEAD_LETTERS, BackendError, Broker, Message, TooLargeError
from dicom_common.toolkit import parse_json

__all__ = ["DEAD_GROUP", "DeadLetterPublisher", "DeadReason", "dead_topic", "is_too_large"]

_log = logging.getLogger(__name__)
DEAD_GROUP = "dicom-common-dead-letters"
"""The consumer group that reads the dead letters."""
_NAMES, _SHORT = ("event-id", "tenant", "schema-version", "content-digest"), range(1, 257)
_UID, _KEYS = "sop_uid", ("file_path", "pixel_data_location")


def dead_topic(topic: str) -> str:
    """Return the name of the topic of a topic's dead letters."""
    return topic + DEAD_LETTERS


def is_too_large(error: BackendError) -> bool:
    """Tell whether a publish failed because a message is larger than the broker takes."""
    return isinstance(error, TooLargeError) or isinstance(error.__cause__, TooLargeError)


class DeadReason(StrEnum):
    """Why a message is a dead letter, beside the reasons of the reader (`dicom_common.dicom.Reason`) and of an ingest.

    The header `dead-reason` holds one of them.
    """

    UNREADABLE_MESSAGE = "unreadable-message"
    UNKNOWN_SCHEMA_VERSION = "unknown-schema-version"
    CONTRADICTORY_MESSAGE = "contradictory-message"
    """Tenant, key or UIDs of its parts differ."""
    OBJECT_MISSING = "object-missing"
    DIGEST_DIFFERS = "digest-differs"
    IDENTITY_DIFFERS = "identity-differs"
    READER_FAILED = "reader-failed"
    """Reading the object met a defect."""
    TOO_LARGE = "too-large"
    """The broker does not take a message of this size."""


class DeadLetterPublisher:
    """Publishes dead letters."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._known: set[str] = set()

    def publish(self, topic: str, message: Message, reason: str, **more: str) -> None:
        """Publish a message of a topic to the dead letters.

        One that is too large goes there without its body: the index has its content, and headers name the instance.
        Where that is not enough, the header `dead-headers` shows that headers of its own are missing.

        Args:
            topic: where it was, or should have gone.
            message: the message.
            reason: a `DeadReason`, or a reason of the reader or of an ingest.
            **more: further headers; `attempts="3"` is the header `dead-attempts`.

        Raises:
            BackendError: the broker did not take it.
        """
        where = dead_topic(topic)
        self._keep_for_the_group(where)
        headers = {"dead-reason": reason, "dead-topic": topic}
        headers |= {f"dead-{name.replace('_', '-')}": text for name, text in more.items()}
        letter = Message(key=message.key, body=message.body, headers=dict(message.headers) | headers)
        try:
            self._broker.publish(where, [letter])
        except BackendError as error:
            if not is_too_large(error):
                raise
            self._publish_without_body(where, message, headers)
        _log.warning("A message of the topic %s was published to the dead letters: %s.", topic, reason)

    def _publish_without_body(self, where: str, message: Message, headers: dict[str, str]) -> None:
        more = _where_it_is(message.body) | headers
        try:
            self._broker.publish(where, [Message(key=message.key, body=b"", headers=dict(message.headers) | more)])
        except BackendError as error:
            if not is_too_large(error):
                raise
            # Its key or its headers are too large. No message of ours is like that, and it must not come back.
            short = {name: message.headers[name] for name in _NAMES if len(message.headers.get(name, "")) in _SHORT}
            key = message.key if len(message.key) in _SHORT else ""
            self._broker.publish(
                where, [Message(key=key, body=b"", headers=short | more | {"dead-headers": "omitted"})]
            )

    def _keep_for_the_group(self, topic: str) -> None:
        """Make the group known: a broker may drop what every group has read."""
        if topic not in self._known:
            self._broker.consume([topic], DEAD_GROUP).close()
            self._known.add(topic)


def _where_it_is(body: bytes) -> dict[str, str]:
    headers = {
        "dead-body": "omitted",
        "dead-body-bytes": str(len(body)),
        "dead-body-digest": f"sha256:{hashlib.sha256(body).hexdigest()}",
    }
    try:
        message = parse_json(body)
        found = {"dead-sop-uid": message.get(_UID)}
        found["dead-file-path"] = next((message[key] for key in _KEYS if key in message), None)
    except (ValueError, AttributeError):
        return headers
    return headers | {name: text for name, text in found.items() if isinstance(text, str) and len(text) <= 1024}
