"""One dead letter: what is in its headers, and the message that it was."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from dicom_common.core import DEAD_LETTERS, Delivery, Message
from dicom_common.toolkit import parse_json

__all__ = ["DeadLetter", "letters_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could not be processed. Only `message` has a patient's attributes; it is not in the repr."""

    place: str
    """Where the message was, `<topic>/<partition>/<offset>`, or `<topic>/<event id>` if it never got to its topic. By
    it a letter is known."""
    topic: str
    """The topic of the message, to which a replay publishes it."""
    reason: str
    """A stable code (see `DeadReason`); `""` if the header is missing."""
    attempts: int
    """How often it was tried."""
    tenant: str
    """The tenant; `""` where none is named, or header, key and storage key name different ones: it may be forged."""
    study_uid: str
    series_uid: str
    """These two by the message's key; `""` where it is of another shape."""
    event_id: str
    file_path: str
    """The storage key of its object; `""` if none is known."""
    is_whole: bool
    """Whether it has its body; one that was too large has not, and cannot be published again."""
    message: Message = field(repr=False)
    """As it is on the topic of the dead letters."""
    deliveries: tuple[Delivery, ...] = field(repr=False)
    """Where it is on that topic: more than once where a replay was interrupted."""

    def original(self) -> Message:
        """Return the message as it is published again: with its key and its headers, without those of a dead letter.

        Where the object was put at another key since, the body names that one.
        """
        headers = {name: text for name, text in self.message.headers.items() if not name.startswith("dead-")}
        return Message(key=self.message.key, body=_with_path(self.message), headers=headers)


def letters_of(deliveries: Iterable[Delivery]) -> list[DeadLetter]:
    """Make letters of what was received, in the order in which their messages stood on their topics.

    What is one letter and was published twice becomes one. Two messages can have had the same place, on a topic that
    was deleted and made anew: they are two letters.
    """
    letters: dict[tuple[str, str, bytes, str | None], list[Delivery]] = {}
    for delivery in deliveries:
        message = delivery.message
        same = (_place(delivery), message.key, message.body, message.headers.get("event-id"))
        letters.setdefault(same, []).append(delivery)
    return sorted((_letter(place, copies) for (place, *_), copies in letters.items()), key=_origin)


def _origin(letter: DeadLetter) -> tuple[str, int, int]:
    """Return where the message stood. Letters that were put at the end once more have lost the order of the others."""
    headers = letter.message.headers
    partition, offset = headers.get("dead-partition", ""), headers.get("dead-offset", "")
    if partition.isdecimal() and offset.isdecimal():
        return letter.topic, int(partition), int(offset)
    return letter.topic, -1, -1


def _place(delivery: Delivery) -> str:
    headers, topic = delivery.message.headers, delivery.topic.removesuffix(DEAD_LETTERS)
    if "dead-partition" in headers and "dead-offset" in headers:
        return f"{topic}/{headers['dead-partition']}/{headers['dead-offset']}"
    if headers.get("event-id"):
        return f"{topic}/{headers['event-id']}"
    return f"{delivery.topic}/{delivery.partition}/{delivery.offset}"


def _letter(place: str, copies: list[Delivery]) -> DeadLetter:
    first = copies[0]
    headers = first.message.headers
    # A foreign key may be anything, such as a patient's number.
    parts = first.message.key.split("|")
    tenant, study_uid, series_uid = parts if len(parts) == 3 else ("", "", "")
    path = headers.get("dead-file-path") or _path_in(first.message.body)
    attempts = headers.get("dead-attempts", "")
    return DeadLetter(
        place=place,
        topic=first.topic.removesuffix(DEAD_LETTERS),
        reason=headers.get("dead-reason", ""),
        attempts=int(attempts) if attempts.isdecimal() else 0,
        tenant=_agreed(headers.get("tenant", ""), tenant, path.partition("/")[0]),
        study_uid=study_uid,
        series_uid=series_uid,
        event_id=headers.get("event-id", ""),
        file_path=path,
        is_whole="dead-body" not in headers,
        message=first.message,
        deliveries=tuple(copies),
    )


def _agreed(*found: str) -> str:
    names = {name for name in found if name}
    return names.pop() if len(names) == 1 else ""


def _path_in(body: bytes) -> str:
    try:
        path = parse_json(body)["file_path"]
    except (ValueError, KeyError, TypeError):
        return ""
    return path if isinstance(path, str) else ""


def _with_path(message: Message) -> bytes:
    moved = message.headers.get("dead-file-path")
    if not moved or _path_in(message.body) in ("", moved):
        return message.body
    body = parse_json(message.body) | {"file_path": moved}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
