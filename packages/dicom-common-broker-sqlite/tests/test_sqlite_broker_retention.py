"""Retention: which messages go, and which stay for a group that has not acknowledged them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from broker_messages import messages, take

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.core import ConfigError

DAY = 86_400.0


def age(path: Path, days: float) -> None:
    """Make all messages older, as time would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET published = published - ?", (days * DAY,))


def test_old_messages_go_when_all_groups_have_acknowledged_them(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(40))
    with broker.consume(["t"], "fast") as fast, broker.consume(["t"], "slow") as slow:
        fast.acknowledge(take(fast, 40))
        slow.acknowledge(take(slow, 40)[:30])
    age(path, 8)
    before = broker.backlog("t", "slow")
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1, start=100))  # the first publish of a process sweeps
        assert other.backlog("t", "slow") == before + 1 == 11
        assert other.backlog("t", "fast") == 1
        kept = other.backlog("t", "new")
        assert 11 <= kept < 41, "nothing was dropped, or something that was not acknowledged"
        with other.consume(["t"], "slow") as consumer:
            assert len(take(consumer, 11)) == 11
        with other.consume(["t"], "new") as consumer:
            assert len(take(consumer, kept)) == kept


def test_young_messages_stay_though_all_have_acknowledged_them(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(20))
    with broker.consume(["t"], "g") as consumer:
        consumer.acknowledge(take(consumer, 20))
    age(path, 6)
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "new") == 21


def test_unacknowledged_messages_go_only_where_the_settings_say_so(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(1500))
    broker.consume(["t"], "gone").close()
    age(path, 100)
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "gone") == 1501
    with closing(SqliteBroker(Settings(path=path, drop_unacknowledged_days=30))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "gone") == other.backlog("t", "new") == 2
        with other.consume(["t"], "gone") as consumer:
            assert len(take(consumer, 2)) == 2


def test_what_no_group_ever_wanted_goes_too(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(1200))
    age(path, 8)
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "new") == 1


def test_messages_may_not_be_dropped_before_they_are_kept() -> None:
    with pytest.raises(ConfigError, match="drop_unacknowledged_days"):
        Settings(keep_days=7, drop_unacknowledged_days=3)
