"""What a broker gives to the groups: its messages by partition, and small records with versions."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from dicom_common.core import Message

__all__ = [
    "Bounds",
    "Change",
    "Fetched",
    "GroupStore",
    "Partition",
    "Record",
    "Version",
    "partition_of",
]

Version = Hashable
"""Tells one state of a record from another: a number, a revision, or the value itself."""


class Partition(NamedTuple):
    """A part of a topic, whose messages are in order."""

    topic: str
    number: int
    """From 0 on."""


class Bounds(NamedTuple):
    """The offsets of the messages that a partition has."""

    first: int
    """Of the first message that is kept; that of the next one where none is kept."""
    next: int
    """Of the message that will be published next."""


class Fetched(NamedTuple):
    """Some messages of a partition."""

    partition: Partition
    messages: Sequence[tuple[int, Message]]
    """With their offsets, ascending and without a gap; before the first one, messages may have been dropped."""


class Record(NamedTuple):
    """A small value that the broker keeps."""

    value: bytes
    version: Version


class Change(NamedTuple):
    """A new value for a record."""

    name: str
    value: bytes
    expected: Version | None
    """The version that it replaces; None: the record must not exist yet."""


class GroupStore(Protocol):
    """The messages of a broker, and records beside them. Used by one thread at a time, without a transaction around it.

    Every method may raise `UnavailableError` and `RefusedError`. What is written is durable on return.

    The names of records consist of `A-Z a-z 0-9 . _ - = /`, of which a slash is neither the first nor the last
    character. Names and values hold no patient's attributes: names of topics and groups, numbers and times.
    """

    name: str
    """For messages, such as `the broker /var/lib/pacs/events.sqlite`."""
    clock_error: float
    """By how many seconds the clocks of the members' machines may differ; 0 where all of them are on one machine."""

    def bounds(self, topic: str) -> Sequence[Bounds]:
        """Return the bounds of the topic's partitions, by their numbers; none where there is no such topic.

        The number of partitions never changes, and an offset is never given to another message.
        """
        ...

    def fetch(self, starts: Mapping[Partition, int], limit: int) -> Iterable[Fetched]:
        """Read messages from given offsets on; at least one where there is one.

        Partitions come in the order of the mapping, so that the caller decides which of them is read first.

        Args:
            starts: by partition, the offset to begin with; that of a message that was dropped begins at the first one.
            limit: how many are asked for. More are given up, and asked for again.
        """
        ...

    def wait(self, starts: Mapping[Partition, int], timeout: float) -> None:
        """Wait up to `timeout` seconds until one of the partitions has a message at its offset or behind.

        It may return early, and should where the members of a group change: the caller looks again.
        """
        ...

    def read(self, names: Sequence[str]) -> Mapping[str, Record]:
        """Return records by name; those that do not exist are left out."""
        ...

    def write(self, changes: Sequence[Change]) -> Sequence[Version | None]:
        """Write each record that has the version that is expected, and leave the others.

        Each change stands for itself, but all in one transaction cost less.

        Returns:
            For each change the new version; None: it was not written, because the record has another version.
        """
        ...

    def names(self, prefix: str) -> Sequence[str]:
        """List the names of records that begin with a prefix."""
        ...

    def delete(self, names: Sequence[str]) -> None:
        """Delete records; those that do not exist are no error."""
        ...

    def close(self) -> None:
        """Release what is held for this store. A second call does nothing."""
        ...


def partition_of(key: str, partitions: int) -> int:
    """Return the number of the partition of a message's key: the same in every process, always."""
    return zlib.crc32(key.encode()) % partitions
