"""Dead letters: messages that cannot be dealt with, on a topic of their own, with why and whence in their headers."""

from __future__ import annotations

import hashlib
import logging

from dicom_common.core import DEAD_LETTERS, BackendError, Broker, Message, TooLargeError
from dicom_common.toolkit import parse_json

__all__ = ["DEAD_GROUP", "SUFFIX", "Burial", "dead_topic", "is_too_large"]

_log = logging.getLogger(__name__)
DEAD_GROUP = "dicom-common-dead-letters"
"""The consumer group of those who look after the dead letters."""
SUFFIX = DEAD_LETTERS
_NAMES, _SHORT = ("event-id", "tenant", "schema-version", "content-digest"), range(1, 257)
_UID, _KEYS = "sop_uid", ("file_path", "pixel_data_location")


def dead_topic(topic: str) -> str:
    """Return the name of the topic of a topic's dead letters."""
    return topic + SUFFIX


def is_too_large(error: BackendError) -> bool:
    """Tell whether a publish failed because a message is larger than the broker takes."""
    return isinstance(error, TooLargeError) or isinstance(error.__cause__, TooLargeError)


class Burial:
    """Publishes dead letters."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._known: set[str] = set()

    def bury(self, topic: str, message: Message, reason: str, **more: str) -> None:
        """Publish a message of a topic to the dead letters.

        One that is too large goes there without its body: what it said is in the index, and the headers say of what.
        Where that is not enough, the header `dead-headers` says that headers of its own are missing.

        Args:
            topic: where it was, or should have gone.
            message: the message.
            reason: a stable code.
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
        _log.warning("a message of the topic %s went to the dead letters: %s", topic, reason)

    def _publish_without_body(self, where: str, message: Message, headers: dict[str, str]) -> None:
        said = _where_it_is(message.body) | headers
        try:
            self._broker.publish(where, [Message(key=message.key, body=b"", headers=dict(message.headers) | said)])
        except BackendError as error:
            if not is_too_large(error):
                raise
            # Its key or its headers are what is too large. None of ours is like that, and it must not come for ever.
            short = {name: message.headers[name] for name in _NAMES if len(message.headers.get(name, "")) in _SHORT}
            key = message.key if len(message.key) in _SHORT else ""
            self._broker.publish(
                where, [Message(key=key, body=b"", headers=short | said | {"dead-headers": "omitted"})]
            )

    def _keep_for_the_group(self, topic: str) -> None:
        """Make the group known: a broker may drop what no group has still to see."""
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
