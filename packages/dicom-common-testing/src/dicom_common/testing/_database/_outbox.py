"""The part of the contract of an index that is about its outbox, its health and its schema."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from dicom_common.core import Database, Event, HealthStatus, Level, Migrations
from dicom_common.testing._database._checks import rows
from dicom_common.testing._health import health_of
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["OutboxContract"]

_LONG = 600.0


def _fill(database: Database, count: int, start: int = 0) -> list[Event]:
    made = [
        Event(tenant="local", topic=f"topic-{n % 2}", key=f"k|{n % 3}", body=b'{"n":%d}' % n, headers={"h": f"ü{n}"})
        for n in range(start, start + count)
    ]
    database.add([make_entry(make_instance(start))], events=lambda _: made)
    return made


class OutboxContract:
    """The outbox, health and schema."""

    def test_events_come_back_as_they_were_and_in_order(self, database: Database) -> None:
        made = _fill(database, 5) + _fill(database, 3, start=10)
        assert database.pending(100, relay="a", lease=_LONG) == made
        assert database.pending(4, relay="a", lease=_LONG) == made[:4]
        assert database.pending(0, relay="a", lease=_LONG) == []

    def test_published_events_are_gone_and_the_others_stay(self, database: Database) -> None:
        made = _fill(database, 6)
        database.published([made[0], made[2]])
        assert database.pending(100, relay="a", lease=_LONG) == [made[1], *made[3:]]
        database.published(made)
        database.published([])
        assert database.pending(100, relay="a", lease=_LONG) == []

    def test_one_relay_at_a_time(self, database: Database) -> None:
        made = _fill(database, 3)
        assert database.pending(10, relay="first", lease=_LONG) == made
        assert database.pending(10, relay="second", lease=_LONG) == []
        database.published(made[:1])
        assert database.pending(10, relay="first", lease=_LONG) == made[1:]

    def test_a_relay_that_died_loses_the_outbox_when_its_lease_is_over(self, database: Database) -> None:
        made = _fill(database, 2)
        assert database.pending(10, relay="dead", lease=0.05) == made
        end = time.monotonic() + 30  # a guard only
        while not (taken := database.pending(10, relay="heir", lease=_LONG)) and time.monotonic() < end:
            time.sleep(0.02)
        assert taken == made
        assert database.pending(10, relay="dead", lease=_LONG) == []

    def test_the_backlog_counts_what_waits_and_since_when(self, database: Database) -> None:
        before = datetime.now(UTC)
        assert (database.backlog().events, database.backlog().oldest) == (0, None)
        made = _fill(database, 3)
        after = datetime.now(UTC)
        time.sleep(0.05)
        made += _fill(database, 1, start=10)
        backlog = database.backlog()
        assert backlog.events == 4
        assert backlog.oldest is not None
        assert before.replace(microsecond=0) <= backlog.oldest <= after
        database.published(made)
        assert (database.backlog().events, database.backlog().oldest) == (0, None)

    def test_many_events(self, database: Database) -> None:
        made = _fill(database, 2500)
        assert database.pending(5000, relay="a", lease=_LONG) == made
        database.published(made[:2000])
        assert database.pending(5000, relay="a", lease=_LONG) == made[2000:]

    def test_it_is_well(self, database: Database) -> None:
        health = health_of(database)
        assert health.status in (HealthStatus.OK, HealthStatus.DEGRADED)
        assert health.detail

    def test_a_closed_index_is_not_well_and_closing_twice_is_no_error(
        self, open_database: Callable[[], Database]
    ) -> None:
        database = open_database()
        database.add([make_entry()])
        assert health_of(database).status is not HealthStatus.FAILED
        database.close()
        database.close()
        assert health_of(database).status is HealthStatus.FAILED

    def test_what_was_added_is_there_when_it_is_opened_again(self, open_database: Callable[[], Database]) -> None:
        first = open_database()
        entry = make_entry()
        first.add([entry])
        first.close()
        second = open_database()
        try:
            assert second.stored("local", [entry.instance.sop_uid])[entry.instance.sop_uid].key == entry.key
        finally:
            second.close()

    def test_migrating_what_is_up_to_date_changes_nothing(self, database: Database) -> None:
        database.add([make_entry()])
        if isinstance(database, Migrations):
            has, needs = database.schema_version()
            assert has == needs
            database.migrate()
            assert database.schema_version() == (has, needs)
        assert len(rows(database, Level.STUDY)) == 1
