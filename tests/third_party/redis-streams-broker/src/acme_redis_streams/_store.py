"""Streams as partitions, and a hash of records: what the leases library asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from acme_redis_streams._settings import Settings, connect, place, translated
from dicom_common.broker.leases import Bounds, Change, Fetched, Partition, Record, Version
from dicom_common.core import Message

__all__ = ["StreamStore"]

_SHORTER = 0.5
"""Of the time limit of the client: so long the server is asked to wait at most."""
_WRITE = """
local written = {}
for i = 1, #ARGV, 4 do
  local now = redis.call('HGET', KEYS[1], ARGV[i])
  local fits = (ARGV[i + 2] == '0' and not now) or (ARGV[i + 2] == '1' and now == ARGV[i + 3])
  if fits then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
  written[#written + 1] = fits and 1 or 0
end
return written
"""
_PUBLISH = """
for i = 1, #ARGV, 4 do
  local stream = KEYS[ARGV[i] + 2]
  local number = redis.call('HINCRBY', KEYS[1], stream, 1)
  redis.call('XADD', stream, '0-' .. number, 'key', ARGV[i + 1], 'headers', ARGV[i + 2], 'body', ARGV[i + 3])
end
"""


class StreamStore:
    """A `GroupStore`. The message at an offset has the id `0-<offset + 1>` in the stream of its partition."""

    clock_error = 5.0

    def __init__(self, settings: Settings) -> None:
        self.name, self._settings = place(settings), settings
        self.client: Any = connect(settings)  # the types of redis-py mix those of its two clients
        self._ends, self._topics, self._records = (settings.prefix + name for name in ("ends", "topics", "records"))

    def make_topics(self, topics: Sequence[str]) -> None:
        """Make the topics that are missing."""
        with translated(self.name):
            for topic in topics:
                self.client.hsetnx(self._topics, topic, self._settings.partitions)

    def partitions(self, topic: str) -> list[Partition]:
        """Return the partitions of a topic; none where there is no such topic."""
        with translated(self.name):
            return [Partition(topic, number) for number in range(int(self.client.hget(self._topics, topic) or 0))]

    def publish(self, topic: str, messages: Sequence[tuple[int, Message]]) -> None:
        """Append messages, each to the partition of a number: all of them or none."""
        streams = [self.stream(partition) for partition in self.partitions(topic)]
        words: list[str | bytes | int] = []
        for number, message in messages:
            words += [number, message.key, json.dumps(dict(message.headers)), message.body]
        with translated(self.name):
            self.client.eval(_PUBLISH, 1 + len(streams), self._ends, *streams, *words)

    def drop(self, partition: Partition, before: int) -> None:
        """Drop the messages before an offset."""
        with translated(self.name):
            self.client.xtrim(self.stream(partition), minid=f"0-{before + 1}", approximate=False)

    def bounds(self, topic: str) -> list[Bounds]:
        """See `GroupStore.bounds`."""
        streams = [self.stream(partition) for partition in self.partitions(topic)]
        if not streams:
            return []
        with translated(self.name):
            # The streams first: a message that comes between is then counted by its end only.
            firsts = [self.client.xrange(stream, count=1) for stream in streams]
            ends = [int(end or 0) for end in self.client.hmget(self._ends, streams)]
        return [Bounds(_offset(first[0][0]) if first else end, end) for first, end in zip(firsts, ends, strict=True)]

    def fetch(self, starts: Mapping[Partition, int], limit: int) -> Iterator[Fetched]:
        """See `GroupStore.fetch`."""
        with translated(self.name):
            found = self.client.xread(self._ids(starts), count=limit)
        partitions = {self.stream(partition).encode(): partition for partition in starts}
        for stream, entries in found:
            yield Fetched(partitions[stream], [(_offset(identity), _message(entry)) for identity, entry in entries])

    def wait(self, starts: Mapping[Partition, int], timeout: float) -> None:
        """See `GroupStore.wait`. The client's own time limit holds for an answer that the server withholds, too."""
        milliseconds = max(int(min(timeout, self._settings.timeout * _SHORTER) * 1000), 1)
        streams = self._ids(starts) or {self._settings.prefix + "nothing": "0-0"}
        with translated(self.name):
            self.client.xread(streams, count=1, block=milliseconds)

    def read(self, names: Sequence[str]) -> dict[str, Record]:
        """See `GroupStore.read`. A value is its own version."""
        with translated(self.name):
            values = self.client.hmget(self._records, names)
        return {name: Record(value, value) for name, value in zip(names, values, strict=True) if value is not None}

    def write(self, changes: Sequence[Change]) -> list[Version | None]:
        """See `GroupStore.write`."""
        words: list[Any] = []
        for name, value, expected in changes:
            words += [name, value, 0 if expected is None else 1, expected or b""]
        with translated(self.name):
            written = self.client.eval(_WRITE, 1, self._records, *words)
        return [change.value if one else None for change, one in zip(changes, written, strict=True)]

    def names(self, prefix: str) -> list[str]:
        """See `GroupStore.names`."""
        with translated(self.name):
            return sorted(name for key in self.client.hkeys(self._records) if (name := key.decode()).startswith(prefix))

    def delete(self, names: Sequence[str]) -> None:
        """See `GroupStore.delete`."""
        with translated(self.name):
            self.client.hdel(self._records, *names)

    def close(self) -> None:
        """See `GroupStore.close`."""
        self.client.close()

    def stream(self, partition: Partition) -> str:
        """Return the key of the stream of a partition."""
        return f"{self._settings.prefix}messages:{partition.topic}:{partition.number}"

    def _ids(self, starts: Mapping[Partition, int]) -> dict[str, str]:
        return {self.stream(partition): f"0-{start}" for partition, start in starts.items()}


def _offset(identity: bytes) -> int:
    return int(identity.partition(b"-")[2]) - 1


def _message(entry: Mapping[bytes, bytes]) -> Message:
    return Message(key=entry[b"key"].decode(), body=entry[b"body"], headers=json.loads(entry[b"headers"]))
