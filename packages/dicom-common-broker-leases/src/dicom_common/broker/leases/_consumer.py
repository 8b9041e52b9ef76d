"""A member of a consumer group."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from dicom_common.broker.leases._members import Group, Membership, Plan
from dicom_common.broker.leases._names import members_name, offsets_name
from dicom_common.broker.leases._offsets import Offsets
from dicom_common.broker.leases._store import Change, Fetched, GroupStore, Partition, Record, Version
from dicom_common.core import BackendError, Delivery, UnavailableError
from dicom_common.toolkit import Backoff

__all__ = ["GroupConsumer"]

_LOOK_SECONDS = 1.0
"""A lease that ends is no event of the store: so often a waiting member looks by itself."""


@dataclass(slots=True)
class _Reading:
    """How far this member has read a partition that it owns."""

    epoch: int
    offsets: Offsets
    version: Version
    """Of the record of the offsets."""
    cursor: int
    in_flight: set[int] = field(default_factory=set)


class GroupConsumer:
    """A member of a group; made by `join`. Belongs to one thread; see `dicom_common.core.Consumer`.

    It closes its store.
    """

    def __init__(self, store: GroupStore, group: str, partitions: Mapping[str, int], *, lease: float) -> None:
        self._store: GroupStore | None = store
        self._name = store.name
        self._group = group
        self._lease = lease
        self._partitions = partitions
        self._membership = Membership(os.urandom(16).hex(), partitions, lease, store.clock_error)
        self._record: Record | None = None
        self._state = Group()
        self._readings: dict[Partition, _Reading] = {}
        self._turn = 0

    def receive(self, max_messages: int, *, timeout: float) -> list[Delivery]:
        """Wait for messages; see `Consumer.receive`."""
        if max_messages < 1 or timeout < 0:
            raise ValueError("max_messages of a receive must be at least 1, and its timeout not negative")
        store, deadline = self._opened(), time.monotonic() + timeout
        while True:
            plan = self._shared(store)
            found = self._fetch(store, max_messages, plan.draining)
            if not self._membership.holds:
                continue  # meanwhile others may have been given the same
            if found:
                return self._delivered(found)
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            starts = {one: self._next(one) for one in self._readings if one not in plan.draining}
            store.wait(starts, min(left, _LOOK_SECONDS, self._lease / 4))

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Say that deliveries are dealt with; see `Consumer.acknowledge`.

        What another member has taken over meanwhile may be acknowledged, too: the work is done.
        """
        left: dict[Partition, set[int]] = {}
        for delivery in deliveries:
            left.setdefault(Partition(delivery.topic, delivery.partition), set()).add(delivery.offset)
        store = self._opened()
        self._refuse_foreign(store, left)
        acknowledged = dict(left)
        backoff = self._backoff()
        while left:
            left = self._write_offsets(store, left)
            if left and not backoff.wait():
                raise self._busy()
        for partition, offsets in acknowledged.items():
            if (reading := self._readings.get(partition)) is not None:
                reading.in_flight -= offsets

    def close(self) -> None:
        """Leave the group; see `Consumer.close`. Where the store cannot be reached, the lease ends by itself."""
        store, self._store = self._store, None
        if store is None:
            return
        self._readings.clear()
        with suppress(BackendError):
            backoff = self._backoff()
            while not self._write_group(store, self._membership.leaving(self._load(store))) and backoff.wait():
                pass
        store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> GroupStore:
        if self._store is None:
            raise BackendError(f"The consumer of {self._name} is closed.")
        return self._store

    def _backoff(self) -> Backoff:
        return Backoff(time_limit=max(self._lease, 10.0), first=0.005, longest=0.2)

    def _busy(self) -> UnavailableError:
        return UnavailableError(f"The members of a group of {self._name} change it again and again: try again.")

    # The group

    def _shared(self, store: GroupStore) -> Plan:
        """Renew the lease and share the partitions where that is due, and begin with what is new."""
        backoff = self._backoff()
        while True:
            busy = {one for one, reading in self._readings.items() if reading.in_flight}
            plan = self._membership.plan(self._load(store), busy)
            if plan.change is None:
                self._adopt(store, plan.owned)
                return plan
            if not self._write_group(store, plan.change) and not backoff.wait():
                raise self._busy()

    def _load(self, store: GroupStore) -> Group:
        name = members_name(self._group)
        record = store.read([name]).get(name)
        if record is None:
            self._state = Group()
        elif self._record is None or record.version != self._record.version:
            self._state = Group.from_bytes(record.value, self._name)
        self._record = record
        return self._state

    def _write_group(self, store: GroupStore, group: Group) -> bool:
        begun = time.monotonic()
        change = self._group_change(group)
        [version] = store.write([change])
        return self._group_written(change, group, version, begun)

    def _group_change(self, group: Group) -> Change:
        expected = None if self._record is None else self._record.version
        return Change(members_name(self._group), group.to_bytes(), expected)

    def _group_written(self, change: Change, group: Group, version: Version | None, begun: float) -> bool:
        if version is None:
            return False
        self._record, self._state = Record(change.value, version), group
        if self._membership.member in group.members:
            self._membership.written(group, begun)
        return True

    def _adopt(self, store: GroupStore, owned: Mapping[Partition, int]) -> None:
        """Forget what is no longer ours, or is ours again after it was another's, and begin what is new."""
        for one, reading in list(self._readings.items()):
            if owned.get(one) != reading.epoch:
                del self._readings[one]
        new = {
            one: offsets_name(one, self._group)
            for one in owned
            if one not in self._readings and one.number < self._partitions.get(one.topic, 0)
        }
        if not new:
            return
        records = store.read(list(new.values()))
        for one, name in new.items():
            offsets, version = self._known(records.get(name))
            self._readings[one] = _Reading(owned[one], offsets, version, offsets.position)

    def _known(self, record: Record | None) -> tuple[Offsets, Version]:
        if record is None:
            raise UnavailableError(
                f"A group of {self._name} was forgotten while it had members: let them join it again."
            )
        return Offsets.from_bytes(record.value, self._name), record.version

    # Messages

    def _fetch(self, store: GroupStore, limit: int, draining: frozenset[Partition]) -> list[Fetched]:
        partitions = sorted(self._readings.keys() - draining)
        if not partitions:
            return []
        # Each call begins with another partition, so that a full one does not starve the others.
        self._turn += 1
        start = self._turn % len(partitions)
        starts = {one: self._next(one) for one in partitions[start:] + partitions[:start]}
        while True:
            found: list[Fetched] = []
            left, skipped = limit, False
            for partition, messages in store.fetch(starts, limit):
                offsets = self._readings[partition].offsets
                new = [one for one in messages if one[0] not in offsets] if offsets.above else messages
                if new:
                    found.append(Fetched(partition, new[:left]))
                    left -= len(new)
                elif messages:
                    starts[partition], skipped = messages[-1][0] + 1, True
                if left <= 0:
                    break
            if found or not skipped:
                return found

    def _next(self, partition: Partition) -> int:
        reading = self._readings[partition]
        return reading.offsets.next_open(reading.cursor)

    def _delivered(self, found: list[Fetched]) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for partition, messages in found:
            reading, first = self._readings[partition], messages[0][0]
            if (expected := self._next(partition)) < first:
                reading.offsets = reading.offsets.with_dropped(expected, first)
            reading.cursor = messages[-1][0] + 1
            reading.in_flight.update([offset for offset, _ in messages])
            topic, number = partition
            deliveries += [
                Delivery(topic=topic, message=message, partition=number, offset=offset) for offset, message in messages
            ]
        return deliveries

    # Acknowledgements

    def _refuse_foreign(self, store: GroupStore, acknowledged: Mapping[Partition, set[int]]) -> None:
        for (topic, number), offsets in acknowledged.items():
            if not 0 <= number < self._partitions.get(topic, 0):
                raise ValueError("a delivery that is acknowledged must be of one of the consumer's topics")
            reading = self._readings.get(Partition(topic, number))
            end = 0 if reading is None else reading.cursor
            if min(offsets) < 0 or (max(offsets) >= end and max(offsets) >= store.bounds(topic)[number].next):
                raise ValueError("a delivery that is acknowledged must be of a message that was published")

    def _write_offsets(self, store: GroupStore, left: Mapping[Partition, set[int]]) -> dict[Partition, set[int]]:
        """Write once, and return what another member was faster with."""
        begun = time.monotonic()
        others = [offsets_name(one, self._group) for one in left if one not in self._readings]
        records = store.read(others) if others else {}
        changes: list[Change] = []
        made: list[tuple[Partition, Offsets]] = []
        for one, offsets in left.items():
            name, reading = offsets_name(one, self._group), self._readings.get(one)
            before, version = (reading.offsets, reading.version) if reading else self._known(records.get(name))
            after = before.with_acknowledged(offsets)
            if after != before:
                changes.append(Change(name, after.to_bytes(), version))
                made.append((one, after))
        renewed = self._membership.renewal(self._state) if self._membership.is_due and self._record else None
        if renewed is not None:
            changes.append(self._group_change(renewed))
        versions = store.write(changes) if changes else ()
        if renewed is not None and not self._group_written(changes[-1], renewed, versions[-1], begun):
            self._load(store)  # so that the next acknowledgement can renew it
        refused: dict[Partition, set[int]] = {}
        for (one, after), new in zip(made, versions, strict=False):
            reading = self._readings.get(one)
            if new is None:
                refused[one] = left[one]
                if reading is not None:
                    name = offsets_name(one, self._group)
                    reading.offsets, reading.version = self._known(store.read([name]).get(name))
            elif reading is not None:
                reading.offsets, reading.version = after, new
        return refused
