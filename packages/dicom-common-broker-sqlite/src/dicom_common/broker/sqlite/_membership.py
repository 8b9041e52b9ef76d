"""How the members of a group share the partitions of their topics.

Each member counts as alive until its lease ends, and renews it. Each may own as many partitions of a topic as its rank
among the living gives it. It gives up what is too much once nothing of it is in flight, and takes what no living member
owns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dicom_common.broker.sqlite._settings import MAX_LEASE

__all__ = ["Membership", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """What a member sees of its group in one transaction."""

    owned: frozenset[int]
    """The partitions that it owns."""
    draining: frozenset[int]
    """Those of them that it is to give up, but of which something is in flight: nothing more is read from them."""
    to_take: tuple[int, ...]
    to_release: tuple[int, ...]
    renew: bool
    """Its lease is due, or somebody's has ended."""

    @property
    def settled(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.to_take or self.to_release or self.renew)


class Membership:
    """One member's view of its group, and its claims. All methods run in a transaction of the caller.

    Args:
        member: its id, which no other member has.
        group: the group.
        partitions: by topic, the ids of the partitions.
        lease: in seconds.
    """

    def __init__(self, member: str, group: str, partitions: Mapping[str, list[int]], lease: float) -> None:
        self._member = member
        self._group = group
        self._partitions = partitions
        self._lease = lease

    def view(self, connection: sqlite3.Connection, now: float, busy: Collection[int]) -> View:
        """Look at the group; `busy` are the partitions that have something in flight."""
        leases: dict[str, float] = {}
        subscribers: dict[str, list[str]] = {topic: [] for topic in self._partitions}
        dead = False
        for member, topics, lease in connection.execute(
            "SELECT id, topics, lease FROM members WHERE consumers = ? ORDER BY id", (self._group,)
        ):
            if not now < lease <= now + MAX_LEASE:
                dead = True
                continue
            leases[member] = lease
            for topic in json.loads(topics):
                subscribers.get(topic, []).append(member)
        owners: dict[int, str | None] = dict(
            connection.execute("SELECT partition, owner FROM positions WHERE consumers = ?", (self._group,)).fetchall()
        )
        mine = leases.get(self._member, 0.0)
        to_take: list[int] = []
        to_release: list[int] = []
        draining: list[int] = []
        for topic, partitions in self._partitions.items():
            alive = subscribers[topic]
            if self._member not in alive:
                continue  # it has to be renewed first
            share, more = divmod(len(partitions), len(alive))
            share += alive.index(self._member) < more
            owned = [partition for partition in partitions if owners.get(partition) == self._member]
            free = [partition for partition in partitions if owners.get(partition) not in leases]
            to_take += free[: max(share - len(owned), 0)]
            too_many = sorted(owned, key=lambda partition: partition in busy)[: max(len(owned) - share, 0)]
            to_release += [partition for partition in too_many if partition not in busy]
            draining += [partition for partition in too_many if partition in busy]
        return View(
            owned=frozenset(partition for partition, owner in owners.items() if owner == self._member),
            draining=frozenset(draining),
            to_take=tuple(to_take),
            to_release=tuple(to_release),
            renew=dead or mine < now + self._lease * 2 / 3,
        )

    def apply(self, connection: sqlite3.Connection, now: float, busy: Collection[int]) -> View:
        """Renew the lease, bury the dead, take and release; in a transaction that writes."""
        connection.execute(
            "DELETE FROM members WHERE consumers = ? AND (lease <= ? OR lease > ?)",
            (self._group, now, now + MAX_LEASE),
        )
        self.renew(connection, now)
        view = self.view(connection, now, busy)
        claim = "UPDATE positions SET owner = ? WHERE consumers = ? AND partition = ?"
        connection.executemany(claim, [(self._member, self._group, partition) for partition in view.to_take])
        connection.executemany(claim, [(None, self._group, partition) for partition in view.to_release])
        return view

    def renew(self, connection: sqlite3.Connection, now: float) -> None:
        """Count as alive from now on for one lease."""
        connection.execute(
            "INSERT INTO members VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET lease = excluded.lease",
            (self._member, self._group, json.dumps(list(self._partitions)), now + self._lease),
        )

    def leave(self, connection: sqlite3.Connection) -> None:
        """Give all up at once."""
        connection.execute(
            "UPDATE positions SET owner = NULL WHERE consumers = ? AND owner = ?", (self._group, self._member)
        )
        connection.execute("DELETE FROM members WHERE id = ?", (self._member,))
