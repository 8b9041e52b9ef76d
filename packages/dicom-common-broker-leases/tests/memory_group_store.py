"""A broker's store in memory: what the library asks for, and no more. Many stores share one `Shelf`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dicom_common.broker.leases import Bounds, Change, Fetched, Partition, Record, Version, partition_of
from dicom_common.core import Message, UnavailableError


@dataclass
class Shelf:
    """What all stores of a broker share."""

    topics: dict[str, list[list[Message]]] = field(default_factory=dict)
    first: dict[Partition, int] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_down: bool = False
    written: int = 0

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        partitions = self.topics[topic]
        for message in messages:
            partitions[partition_of(message.key, len(partitions))].append(message)

    def drop(self, partition: Partition, before: int) -> None:
        self.first[partition] = before


class MemoryStore:
    """One thread's way to a shelf. `before_write` runs before each write: another member may be faster there."""

    def __init__(self, shelf: Shelf, before_write: Callable[[], None] = lambda: None) -> None:
        self.name, self.clock_error = "the broker of this test", 0.0
        self.shelf, self.before_write, self.is_closed = shelf, before_write, False

    def bounds(self, topic: str) -> list[Bounds]:
        return [
            Bounds(self.shelf.first.get(Partition(topic, number), 0), len(messages))
            for number, messages in enumerate(self.shelf.topics.get(topic, []))
        ]

    def fetch(self, starts: Mapping[Partition, int], limit: int) -> Iterator[Fetched]:
        for partition, start in starts.items():
            messages = self.shelf.topics[partition.topic][partition.number]
            begin = max(start, self.shelf.first.get(partition, 0))
            found = list(enumerate(messages))[begin : begin + limit]
            if found:
                yield Fetched(partition, found)

    def wait(self, starts: Mapping[Partition, int], timeout: float) -> None:
        assert not any(start < self.bounds(topic)[number].next for (topic, number), start in starts.items())
        time.sleep(min(timeout, 0.01))

    def read(self, names: Sequence[str]) -> dict[str, Record]:
        self._refuse_down()
        with self.shelf.lock:
            return {name: self.shelf.records[name] for name in names if name in self.shelf.records}

    def write(self, changes: Sequence[Change]) -> list[Version | None]:
        self.before_write()
        self._refuse_down()
        versions: list[Version | None] = []
        with self.shelf.lock:
            for name, value, expected in changes:
                record = self.shelf.records.get(name)
                if (None if record is None else record.version) != expected:
                    versions.append(None)
                    continue
                self.shelf.written += 1
                self.shelf.records[name] = Record(value, self.shelf.written)
                versions.append(self.shelf.written)
        return versions

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.shelf.records if name.startswith(prefix))

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.shelf.records.pop(name, None)

    def close(self) -> None:
        self.is_closed = True

    def _refuse_down(self) -> None:
        if self.shelf.is_down:
            raise UnavailableError("The broker of this test is down.")
