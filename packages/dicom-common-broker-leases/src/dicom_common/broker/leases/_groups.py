"""What a broker answers of its groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dicom_common.broker.leases._consumer import GroupConsumer
from dicom_common.broker.leases._names import (
    ALL_OFFSETS,
    group_word,
    members_name,
    offsets_name,
    partition_prefix,
)
from dicom_common.broker.leases._offsets import Offsets
from dicom_common.broker.leases._store import Change, GroupStore, Partition
from dicom_common.core import NotFoundError

__all__ = ["backlog", "forget", "import_position", "join", "lowest_position"]


def join(
    store: GroupStore, topics: Sequence[str], group: str, *, lease: float, from_start: bool = True
) -> GroupConsumer:
    """Join a group of a broker; see `dicom_common.core.Broker.consume`.

    Args:
        store: of this consumer alone, which closes it.
        topics: those to read; they exist.
        group: any name.
        lease: seconds after which a member that gives no sign of life loses what it was working on. It gives one with
            each `receive` and `acknowledge`. All members of a group have the same lease.
        from_start: where a new group begins: at the first message that is kept, or at the next one.

    Raises:
        NotFoundError: a topic does not exist.
    """
    if not topics or not group:
        raise ValueError("a consumer needs a group and at least one topic")
    partitions: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for topic in topics:
        bounds = store.bounds(topic)
        if not bounds:
            raise NotFoundError(f"There is no topic {topic} in {store.name}: create it before it is read.")
        partitions[topic] = len(bounds)
        for number, (first, following) in enumerate(bounds):
            wanted[offsets_name(Partition(topic, number), group)] = first if from_start else following
    known = store.read(list(wanted))
    new = [Change(name, Offsets(at).to_bytes(), None) for name, at in wanted.items() if name not in known]
    if new:
        store.write(new)  # what is not written, another member has written
    return GroupConsumer(store, group, partitions, lease=lease)


def backlog(store: GroupStore, topic: str, group: str) -> int:
    """Count what a group has not acknowledged of a topic; for an unknown group, all that is kept."""
    bounds = store.bounds(topic)
    names = [offsets_name(Partition(topic, number), group) for number in range(len(bounds))]
    records = store.read(names) if names else {}
    count = 0
    for name, (first, following) in zip(names, bounds, strict=True):
        record = records.get(name)
        offsets = Offsets(0) if record is None else Offsets.from_bytes(record.value, store.name)
        count += offsets.from_first(first).open_before(following)
    return count


def forget(store: GroupStore, group: str) -> None:
    """Forget a group that has no members; see `dicom_common.core.Groups.forget`."""
    ending = f"/{group_word(group)}"
    offsets = [name for name in store.names(ALL_OFFSETS) if name.endswith(ending)]
    store.delete([*offsets, members_name(group)])


def lowest_position(store: GroupStore, partition: Partition) -> int | None:
    """Return the offset before which every known group has acknowledged all; None where no group is known.

    What is below it, a broker may drop.
    """
    names = store.names(partition_prefix(partition))
    records: Iterable[bytes] = (record.value for record in store.read(names).values()) if names else ()
    return min((Offsets.from_bytes(value, store.name).position for value in records), default=None)


def import_position(partition: Partition, group: str, position: int, above: Iterable[int]) -> Change:
    """Make the record of a group that another way of keeping offsets knew, for a broker that is moved onto this one.

    Args:
        partition: which.
        group: whose offsets they are.
        position: all below it are acknowledged.
        above: those that are acknowledged beside.
    """
    return Change(offsets_name(partition, group), Offsets(position).with_acknowledged(above).to_bytes(), None)
