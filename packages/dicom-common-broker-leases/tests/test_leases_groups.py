"""Groups over a store in memory: what no broker's contract reaches, such as a race in the middle of a write."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping

import pytest
from memory_group_store import MemoryStore, Shelf

from dicom_common.broker.leases import (
    Fetched,
    GroupConsumer,
    Partition,
    backlog,
    forget,
    import_position,
    join,
    lowest_position,
)
from dicom_common.core import DamagedError, Delivery, Message, NotFoundError, UnavailableError

TOPIC, LEASE = "events", 30.0


def shelf_of(count: int, partitions: int = 4) -> Shelf:
    shelf = Shelf(topics={TOPIC: [[] for _ in range(partitions)]})
    shelf.publish(TOPIC, numbered(range(count)))
    return shelf


def numbered(numbers: range) -> list[Message]:
    return [Message(key=f"k{number % 10}", body=b"%d" % number) for number in numbers]


def member(shelf: Shelf, *, group: str = "g", from_start: bool = True) -> GroupConsumer:
    return join(MemoryStore(shelf), [TOPIC], group, lease=LEASE, from_start=from_start)


class Clock:
    """The clocks by which leases end, which a test sets forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def time(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("_consumer", "_members"):
        monkeypatch.setattr(f"dicom_common.broker.leases.{module}.time", clock)
    return clock


def bodies(deliveries: list[Delivery]) -> set[int]:
    return {int(delivery.message.body) for delivery in deliveries}


def test_a_topic_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFoundError, match="no topic missing"):
        join(MemoryStore(shelf_of(0)), ["missing"], "g", lease=1)
    with pytest.raises(ValueError, match="at least one topic"):
        join(MemoryStore(shelf_of(0)), [], "g", lease=1)


def test_a_member_that_was_away_begins_anew_with_what_another_one_had_meanwhile(clock: Clock) -> None:
    """The fence: it owned a partition, lost it, and owns it again. What it had read of it by then counts no more."""
    shelf = shelf_of(40)
    away = member(shelf)
    assert len(away.receive(10, timeout=1)) == 10
    clock.ahead += LEASE + 1
    with member(shelf) as other:
        taken = other.receive(40, timeout=1)
        assert len(taken) == 40
        other.acknowledge(taken)
    assert away.receive(40, timeout=0.3) == [], "what another member had acknowledged came again"
    shelf.publish(TOPIC, numbered(range(40, 44)))
    assert bodies(away.receive(10, timeout=1)) == {40, 41, 42, 43}
    away.close()


class SlowStore(MemoryStore):
    """One whose first read of messages takes longer than the lease, while another member comes."""

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        super().__init__(shelf)
        self.clock = clock
        self.others: list[Delivery] = []

    def fetch(self, starts: Mapping[Partition, int], limit: int) -> Iterator[Fetched]:
        found = list(super().fetch(starts, limit))
        if not self.others:
            self.clock.ahead += LEASE + 1
            self.others = member(self.shelf).receive(20, timeout=1)
        yield from found


def test_what_was_read_while_the_lease_ended_is_not_delivered(clock: Clock) -> None:
    slow = SlowStore(shelf_of(20), clock)
    with join(slow, [TOPIC], "g", lease=LEASE) as consumer:
        mine = consumer.receive(20, timeout=0.1)
        assert len(slow.others) == 20
        assert mine == [], "two members were given the same at once"


def test_an_acknowledgement_that_another_member_overtakes_loses_neither(clock: Clock) -> None:
    shelf = shelf_of(30, partitions=1)
    first = member(shelf)
    mine = first.receive(10, timeout=1)
    clock.ahead += LEASE + 1
    second = member(shelf)
    theirs = second.receive(30, timeout=1)
    assert len(theirs) == 30

    store = first._opened()
    assert isinstance(store, MemoryStore)

    def overtake() -> None:
        store.before_write = lambda: None
        second.acknowledge(theirs[15:])

    store.before_write = overtake
    first.acknowledge(mine)
    assert backlog(MemoryStore(shelf), TOPIC, "g") == 5
    second.acknowledge(theirs)
    assert backlog(MemoryStore(shelf), TOPIC, "g") == 0
    first.close()
    second.close()


def test_what_is_dropped_unseen_holds_the_position_up_no_more() -> None:
    shelf = shelf_of(20, partitions=1)
    member(shelf).close()
    shelf.drop(Partition(TOPIC, 0), 12)
    assert backlog(MemoryStore(shelf), TOPIC, "g") == 8
    with member(shelf) as consumer:
        consumer.acknowledge(consumer.receive(20, timeout=1))
    assert lowest_position(MemoryStore(shelf), Partition(TOPIC, 0)) == 20


def test_the_lowest_position_is_that_of_the_slowest_group() -> None:
    shelf, partition = shelf_of(20, partitions=1), Partition(TOPIC, 0)
    assert lowest_position(MemoryStore(shelf), partition) is None
    with member(shelf, group="slow/1 ~") as slow, member(shelf, group="new", from_start=False):
        slow.acknowledge(slow.receive(7, timeout=1))
    assert lowest_position(MemoryStore(shelf), partition) == 7
    forget(MemoryStore(shelf), "slow/1 ~")
    assert lowest_position(MemoryStore(shelf), partition) == 20
    names = "".join(shelf.records)
    assert set(names) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_=/")


def test_a_group_that_is_forgotten_at_work_is_told() -> None:
    shelf = shelf_of(20)
    consumer = member(shelf)
    held = consumer.receive(5, timeout=1)
    forget(MemoryStore(shelf), "g")
    with pytest.raises(UnavailableError, match="was forgotten"):
        consumer.acknowledge(held)
    consumer.close()


def test_groups_of_another_way_of_keeping_offsets_are_taken_over() -> None:
    shelf = shelf_of(20, partitions=1)
    MemoryStore(shelf).write([import_position(Partition(TOPIC, 0), "g", 5, {7, 8})])
    with member(shelf) as consumer:
        assert [each.offset for each in consumer.receive(20, timeout=1)] == [5, 6, *range(9, 20)]


def test_a_damaged_record_is_said() -> None:
    shelf = shelf_of(5)
    with member(shelf) as consumer:
        consumer.receive(1, timeout=1)
        for name in MemoryStore(shelf).names("members/"):
            shelf.records[name] = shelf.records[name]._replace(value=b'{"members": 1}', version=-1)
        with pytest.raises(DamagedError, match="damaged in the broker of this test"):
            consumer.receive(1, timeout=1)


def test_a_store_that_is_down_passes_and_nothing_is_lost() -> None:
    shelf = shelf_of(20)
    consumer = member(shelf)
    held = consumer.receive(20, timeout=1)
    shelf.is_down = True
    for call in (lambda: consumer.receive(1, timeout=1), lambda: consumer.acknowledge(held)):
        with pytest.raises(UnavailableError):
            call()
    shelf.is_down = False
    consumer.acknowledge(held)
    consumer.close()
    assert backlog(MemoryStore(shelf), TOPIC, "g") == 0


class Walk:
    """Members of a group that do what chance tells them."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self.chance, self.clock = random.Random(seed), clock
        self.shelf = shelf_of(0, partitions=5)
        self.published = 0
        self.members = [member(self.shelf)]
        self.held: dict[GroupConsumer, list[Delivery]] = {}
        self.acknowledged: set[int] = set()
        self.order: dict[str, list[int]] = {}

    def publish(self, _: GroupConsumer) -> None:
        self.shelf.publish(TOPIC, numbered(range(self.published, self.published + 5)))
        self.published += 5

    def receive(self, one: GroupConsumer) -> None:
        found = one.receive(self.chance.randint(1, 8), timeout=0)
        self.note(found)
        self.held.setdefault(one, []).extend(found)

    def acknowledge(self, one: GroupConsumer) -> None:
        held = self.held.pop(one, [])
        self.chance.shuffle(held)
        half = len(held) // 2
        one.acknowledge(held[:half])
        self.acknowledged |= bodies(held[:half])
        self.held[one] = held[half:]

    def join(self, _: GroupConsumer) -> None:
        if len(self.members) < 4:
            self.members.append(member(self.shelf))

    def leave(self, one: GroupConsumer) -> None:
        if len(self.members) > 1:
            one.close()
            self.members.remove(one)

    def stall(self, _: GroupConsumer) -> None:
        self.clock.ahead += LEASE * self.chance.choice((0.0, 0.1, 1.2))

    def note(self, found: list[Delivery]) -> None:
        for each in found:
            self.order.setdefault(each.message.key, []).append(int(each.message.body))

    def run(self, steps: int) -> None:
        acts = (self.publish, self.receive, self.receive, self.acknowledge, self.join, self.leave, self.stall)
        for _ in range(steps):
            self.chance.choice(acts)(self.chance.choice(self.members))
        for one in self.members:
            one.close()


@pytest.mark.parametrize("seed", range(8))
def test_members_that_come_go_and_stall_leave_nothing_out_and_the_order_of_each_key(seed: int, clock: Clock) -> None:
    walk = Walk(seed, clock)
    walk.run(150)
    rest: set[int] = set()
    with member(walk.shelf) as last:
        while found := last.receive(100, timeout=0):
            walk.note(found)
            rest |= bodies(found)
            last.acknowledge(found)
    assert not rest & walk.acknowledged, "what was acknowledged came again"
    assert rest | walk.acknowledged == set(range(walk.published))
    for numbers in walk.order.values():
        first = list(dict.fromkeys(numbers))
        assert first == sorted(first), "behind its first occurrence a message is not in order"
    assert backlog(MemoryStore(walk.shelf), TOPIC, "g") == 0
