"""How the members of a group share the partitions of their topics.

One record of a group says who its members are and which of them owns which partition. Each member has a lease and
renews it; each may own as many partitions of a topic as its rank among the living gives it. It gives up what is too
much once nothing of it is in flight, and takes what no living member owns.

Whether a lease has ended is judged twice, so that no clock has to be right. Its holder believes in it for its length
from before the moment when it was written. The others believe in it until they have seen it unchanged for its length,
by a clock that is never set, or until the time that is written in it is over by more than clocks differ.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from dicom_common.broker.leases._store import Partition
from dicom_common.core import DamagedError
from dicom_common.toolkit import parse_json

__all__ = ["Claim", "Group", "Member", "Membership", "Plan"]

_RENEWED_AFTER = 1 / 3
"""Of a lease."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the others see it."""

    beat: int
    """Grows whenever the lease is renewed."""
    until: float
    """When the lease ends, by the member's own wall clock: seconds since 1970."""
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Who owns a partition."""

    member: str
    epoch: int
    """The fence: each time that a partition changes hands, it gets a number that the group had never before."""


@dataclass(frozen=True, slots=True)
class Group:
    """The record of a group."""

    epoch: int = 0
    """The last one that was given."""
    members: Mapping[str, Member] = field(default_factory=dict)
    claims: Mapping[Partition, Claim] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Write it down."""
        claims: dict[str, dict[str, list[str | int]]] = {}
        for (topic, number), claim in self.claims.items():
            claims.setdefault(topic, {})[str(number)] = [claim.member, claim.epoch]
        members = {name: [each.beat, each.until, each.topics] for name, each in self.members.items()}
        return json.dumps({"epoch": self.epoch, "members": members, "claims": claims}).encode()

    @classmethod
    def from_bytes(cls, value: bytes, where: str) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            DamagedError: it is something else.
        """
        try:
            record = parse_json(value)
            members = {
                name: Member(int(beat), float(until), tuple(map(str, topics)))
                for name, (beat, until, topics) in record["members"].items()
            }
            claims = {
                Partition(topic, int(number)): Claim(str(member), int(epoch))
                for topic, numbers in record["claims"].items()
                for number, (member, epoch) in numbers.items()
            }
            return cls(int(record["epoch"]), members, claims)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedError(
                f"The record of a consumer group is damaged in {where}: restore it, or forget the group."
            ) from error


@dataclass(frozen=True, slots=True)
class Plan:
    """What a member makes of its group."""

    owned: Mapping[Partition, int]
    """The partitions that it owns, with their epochs."""
    draining: frozenset[Partition]
    """Those of them that it is to give up, but of which something is in flight: nothing more is read from them."""
    change: Group | None
    """What is to be written first; None: nothing."""


class Membership:
    """One member's view of its group.

    Args:
        member: its id, which no other member has.
        partitions: by topic, how many there are.
        lease: in seconds.
        clock_error: by how many seconds the wall clocks of the members may differ.
    """

    def __init__(self, member: str, partitions: Mapping[str, int], lease: float, clock_error: float) -> None:
        self.member = member
        self._partitions = {
            topic: [Partition(topic, number) for number in range(count)] for topic, count in partitions.items()
        }
        self._lease = lease
        self._clock_error = clock_error
        self._held_until, self._until = 0.0, 0.0
        self._seen: dict[str, tuple[int, float]] = {}
        """By member: its beat, and since when it has been the same, by the monotonic clock."""

    @property
    def holds(self) -> bool:
        """Whether its own lease has not ended: what it reads is its to deliver."""
        return time.monotonic() < self._held_until and time.time() < self._until + self._clock_error

    @property
    def is_due(self) -> bool:
        """Whether its lease is to be renewed."""
        return time.monotonic() >= self._held_until - self._lease * (1 - _RENEWED_AFTER)

    def written(self, group: Group, since: float) -> None:
        """Note that the lease was renewed by a record that began to be written at a moment of the monotonic clock."""
        self._held_until, self._until = since + self._lease, group.members[self.member].until

    def plan(self, group: Group, busy: Collection[Partition]) -> Plan:
        """Look at the group; `busy` are the partitions that have something in flight."""
        living = {
            name: each for name, each in group.members.items() if name == self.member or self._is_alive(name, each)
        }
        self._seen = {name: seen for name, seen in self._seen.items() if name in group.members}
        is_new = self.member not in living
        stale = is_new or self.is_due or len(living) < len(group.members)
        if stale:
            living[self.member] = self._renewed(living.get(self.member))
        taken: list[Partition] = []
        released: list[Partition] = []
        draining: list[Partition] = []
        for topic, there in self._partitions.items():
            subscribers = sorted(name for name, each in living.items() if topic in each.topics)
            share, more = divmod(len(there), len(subscribers))
            share += subscribers.index(self.member) < more
            owners = {one: claim.member for one in there if (claim := group.claims.get(one))}
            owned = [one for one in there if owners.get(one) == self.member]
            taken += [one for one in there if owners.get(one) not in living][: max(share - len(owned), 0)]
            too_many = sorted(owned, key=lambda one: one in busy)[: max(len(owned) - share, 0)]
            released += [one for one in too_many if one not in busy]
            draining += [one for one in too_many if one in busy]
        owned_now = {one: claim.epoch for one, claim in group.claims.items() if claim.member == self.member}
        change = None
        if stale or taken or released:
            epoch = group.epoch + bool(taken)
            claims = {one: claim for one, claim in group.claims.items() if one not in released}
            claims |= {one: Claim(self.member, epoch) for one in taken}
            change = Group(epoch, living, claims)
        return Plan(owned_now, frozenset(draining), change)

    def renewal(self, group: Group) -> Group | None:
        """Return the group with this member's lease renewed; None where the others have given it up."""
        me = group.members.get(self.member)
        return None if me is None else replace(group, members={**group.members, self.member: self._renewed(me)})

    def leaving(self, group: Group) -> Group:
        """Return the group without this member."""
        members = {name: each for name, each in group.members.items() if name != self.member}
        claims = {one: claim for one, claim in group.claims.items() if claim.member != self.member}
        return replace(group, members=members, claims=claims)

    def _renewed(self, me: Member | None) -> Member:
        return Member(me.beat + 1 if me else 1, time.time() + self._lease, tuple(self._partitions))

    def _is_alive(self, name: str, member: Member) -> bool:
        now = time.monotonic()
        beat, since = self._seen.get(name, (None, now))
        if beat != member.beat:
            since = now
        self._seen[name] = member.beat, since
        return now < since + self._lease and time.time() < member.until + self._clock_error
