"""How members of a group share the partitions of a topic."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from broker_messages import messages, partitions, take

from dicom_common.broker.sqlite import Settings, SqliteBroker


def test_three_members_share_eight_partitions_evenly(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path))) as broker:
        members = [broker.consume(["t"], "g") for _ in range(3)]
        for _ in range(3):
            for member in members:
                member.receive(1, timeout=0)
        broker.publish("t", messages(400))
        shares = [partitions(member.receive(400, timeout=1)) for member in members]
        assert sorted(len(share) for share in shares) == [2, 3, 3]
        assert set.union(*shares) == set(range(8))
        for member in members:
            member.close()


def test_what_is_in_flight_changes_hands_only_when_it_is_acknowledged(path: Path) -> None:
    with (
        closing(SqliteBroker(Settings(path=path))) as broker,
        broker.consume(["t"], "g") as first,
        broker.consume(["t"], "g") as second,
    ):
        broker.publish("t", messages(80))
        held = take(first, 80)
        second.receive(1, timeout=0)
        assert first.receive(1, timeout=0) == []
        assert second.receive(80, timeout=0.3) == []
        first.acknowledge(held)
        first.receive(1, timeout=0)
        broker.publish("t", messages(80, start=80))
        shares = partitions(second.receive(80, timeout=1)), partitions(first.receive(80, timeout=1))
        assert [len(share) for share in shares] == [4, 4]
        assert not shares[0] & shares[1]


def test_more_members_than_partitions_wait_without_harm(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, partitions=1, lease=1))) as broker:
        broker.publish("t", messages(5))
        with broker.consume(["t"], "g") as first, broker.consume(["t"], "g") as second:
            assert len(take(first, 5)) == 5
            assert second.receive(5, timeout=0.2) == []
            first.close()
            assert len(take(second, 5)) == 5


def test_a_member_that_always_has_something_in_flight_still_gives_up_what_is_too_much(path: Path) -> None:
    with (
        closing(SqliteBroker(Settings(path=path, partitions=2))) as broker,
        broker.consume(["t"], "g") as busy,
        broker.consume(["t"], "g") as new,
    ):
        broker.publish("t", messages(2000))
        held = [busy.receive(10, timeout=1) for _ in range(6)]
        assert partitions(held[-2] + held[-1]) == {0, 1}
        new.receive(1, timeout=0)
        for _ in range(50):  # a pipeline: it takes more before it acknowledges what it has
            held.append(busy.receive(10, timeout=0))
            busy.acknowledge(held.pop(0))
            if new.receive(10, timeout=0):
                break
        else:
            pytest.fail("the new member was given nothing")


def test_topics_keep_their_number_of_partitions(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(100))
    with closing(SqliteBroker(Settings(path=path, partitions=2))) as other:
        other.publish("t", messages(100))
        other.publish("new", messages(100))
        with other.consume(["t", "new"], "g") as consumer:
            taken = take(consumer, 300)
    assert partitions([each for each in taken if each.topic == "t"]) == set(range(8))
    assert partitions([each for each in taken if each.topic == "new"]) == {0, 1}
