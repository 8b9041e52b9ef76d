"""What the settings of topics do to messages, and which of them may lose some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dicom_common.core import DEAD_LETTERS

__all__ = ["Topic", "made_with", "warnings"]

_LEAST_HOURS = 72
"""Hours that a message has to stay: over a long weekend on which no worker runs."""
_LEAST_BYTES = 1 << 30
"""Bytes that a partition has to keep, whatever their age."""
_HOUR = 3_600_000
"""Milliseconds."""
_ANY = {"cleanup.policy": "delete"}
"""By the broker's default, messages whose key comes again might vanish."""
_FOR_GOOD = {"retention.ms": "-1", "retention.bytes": "-1"}


def made_with(topic: str) -> dict[str, str]:
    """Return the settings that a topic is made with; those of dead letters keep them for good."""
    return _ANY | (_FOR_GOOD if topic.endswith(DEAD_LETTERS) else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as the cluster has it."""

    name: str
    copies: int
    """Of the partition that has the fewest."""
    in_sync: int
    """Copies that are up to date, of the partition that has the fewest."""
    settings: Mapping[str, str]
    """Those that the user may see."""

    def number(self, name: str, otherwise: int) -> int:
        """Return a setting that is a number; `otherwise` where it is not known."""
        text = self.settings.get(name, "")
        return int(text) if text.lstrip("-").isdecimal() else otherwise


def warnings(topics: Iterable[Topic], *, brokers: int, max_message_bytes: int) -> list[str]:
    """Return what is wrong with topics: a sentence without its full stop for each kind of fault.

    Args:
        topics: the topics.
        brokers: how many the cluster has; where it is one, no setting could give a message a second copy.
        max_message_bytes: the largest message that is published.
    """
    tests: tuple[tuple[str, Callable[[Topic], bool]], ...] = (
        ("set cleanup.policy to delete, since messages whose key comes again vanish", _compacts),
        (f"set retention.ms to {_LEAST_HOURS * _HOUR} ({_LEAST_HOURS} hours) or more", _is_short),
        (f"set retention.bytes to -1, or {_LEAST_BYTES} or more", _is_small),
        ("set retention.ms and retention.bytes to -1, so that dead letters stay", _forgets),
        ("give each partition a second copy, since one broker that is lost takes them with it",
         lambda topic: topic.copies == 1 and brokers > 1),
        ("set min.insync.replicas to 2, since a message may have a single copy when it is acknowledged",
         lambda topic: topic.copies > 1 and topic.number("min.insync.replicas", 2) < 2),
        ("set unclean.leader.election.enable to false, since a broker that is behind may take over",
         lambda topic: topic.copies > 1 and topic.settings.get("unclean.leader.election.enable") == "true"),
        ("see the brokers, since fewer copies are in sync than min.insync.replicas asks for: nothing can be published",
         lambda topic: topic.in_sync < topic.number("min.insync.replicas", 1)),
        (f"set max.message.bytes to {max_message_bytes} (broker.max_message_bytes) or more",
         lambda topic: topic.number("max.message.bytes", max_message_bytes) < max_message_bytes),
    )  # fmt: skip
    known = sorted(topics, key=lambda topic: topic.name)
    found = ((cure, [topic.name for topic in known if is_faulty(topic)]) for cure, is_faulty in tests)
    return [f"{', '.join(names)}: {cure}" for cure, names in found if names]


def _compacts(topic: Topic) -> bool:
    return "compact" in topic.settings.get("cleanup.policy", "")


def _forgets(topic: Topic) -> bool:
    limits = (topic.number("retention.ms", -1), topic.number("retention.bytes", -1))
    return topic.name.endswith(DEAD_LETTERS) and limits != (-1, -1)


def _is_short(topic: Topic) -> bool:
    return not topic.name.endswith(DEAD_LETTERS) and 0 <= topic.number("retention.ms", -1) < _LEAST_HOURS * _HOUR


def _is_small(topic: Topic) -> bool:
    return not topic.name.endswith(DEAD_LETTERS) and 0 <= topic.number("retention.bytes", -1) < _LEAST_BYTES
