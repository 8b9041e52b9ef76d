"""The part of the contract of an index that is about revisions; for a database that is a `Revisions`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest

from dicom_common.core import AddStatus, Database, Revisions, SeriesRevision
from dicom_common.testing._contract import ability
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["RevisionsContract"]

_STUDY = "1.2.3.1"
_LATER = timedelta(hours=1)


class RevisionsContract:
    """What tells whether something that was made from the index is still true."""

    @pytest.fixture
    def revisions(self, database: Database) -> Revisions:
        """Return the database as what knows revisions."""
        assert isinstance(database, Revisions)
        return database

    @ability(Revisions)
    def test_a_revision_says_what_its_series_is(self, database: Database, revisions: Revisions) -> None:
        start = datetime.now(UTC) - timedelta(minutes=5)
        database.add([make_entry(make_instance(n, series=s)) for s in (1, 2) for n in range(1, s + 1)])
        database.add([make_entry(make_instance(study=2, study_date=None)), make_entry(tenant="other")])
        one, two = revisions.revisions("local", _STUDY)
        assert (one.tenant, one.study_uid, one.series_uid, one.instances) == ("local", _STUDY, f"{_STUDY}.1", 1)
        assert (two.series_uid, two.instances, two.study_date) == (f"{_STUDY}.2", 2, date(2026, 1, 1))
        assert start < one.changed < datetime.now(UTC) + timedelta(minutes=5)
        assert one.revision != two.revision
        assert one.revision.isascii()
        assert len(one.revision) <= 64
        assert revisions.revisions("local", _STUDY, two.series_uid) == [two]
        (undated,) = revisions.revisions("local", "1.2.3.2")
        assert undated.study_date is None

    @ability(Revisions)
    def test_what_is_not_there_has_no_revision(self, database: Database, revisions: Revisions) -> None:
        assert revisions.revisions("local", _STUDY) == []
        database.add([make_entry(), make_entry(make_instance(study=2), tenant="other")])
        assert revisions.revisions("local", "1.2.3.2") == []
        assert revisions.revisions("other", _STUDY) == []
        assert revisions.revisions("local", _STUDY, "1.2.3.1.9") == []
        assert revisions.revisions("local", "1.2.3.2", "1.2.3.1.1") == []

    @ability(Revisions)
    def test_every_change_gives_a_revision_that_never_was(self, database: Database, revisions: Revisions) -> None:
        seen: set[str] = set()

        def look() -> None:
            now = {one.revision for one in revisions.revisions("local", _STUDY)}
            assert not now & seen
            seen.update(now)

        database.add([make_entry()])
        look()
        database.add([make_entry(make_instance(2))])
        look()
        (outcome,) = database.add([make_entry(make_instance(2, revision=1), replace=True)])
        assert outcome.status is AddStatus.REPLACED
        look()
        database.remove("local", _STUDY, None, "1.2.3.1.1.2")
        look()
        for key in ("again", "once-more"):
            database.remove("local", _STUDY)
            assert revisions.revisions("local", _STUDY) == []
            database.add([make_entry(key=f"local/{key}.dcm")])
            look()
        assert len(seen) == 6

    @ability(Revisions)
    def test_what_changes_nothing_leaves_the_revision(self, database: Database, revisions: Revisions) -> None:
        database.add([make_entry(), make_entry(make_instance(series=2))])
        before = revisions.revisions("local", _STUDY)
        statuses = [
            outcome.status
            for outcome in database.add([
                make_entry(key="local/same.dcm"),
                make_entry(make_instance(revision=1)),
                make_entry(make_instance(sop_uid="1.2.3.1.2.1")),
            ])
        ]  # fmt: skip
        assert statuses == [AddStatus.SAME, AddStatus.CONFLICT, AddStatus.MISPLACED]
        database.add([make_entry(make_instance(study=2)), make_entry(tenant="other")])
        database.remove("local", "1.2.3.2")
        assert revisions.revisions("local", _STUDY) == before

    @ability(Revisions)
    def test_a_change_of_one_series_leaves_the_others(self, database: Database, revisions: Revisions) -> None:
        database.add([make_entry(make_instance(series=s)) for s in (1, 2, 3)])
        before = revisions.revisions("local", _STUDY)
        database.add([make_entry(make_instance(2, series=2))])
        database.remove("local", _STUDY, f"{_STUDY}.3")
        one, two = revisions.revisions("local", _STUDY)
        assert one == before[0]
        assert two.revision != before[1].revision

    @ability(Revisions)
    def test_changed_series_come_in_order_from_anywhere_on(self, database: Database, revisions: Revisions) -> None:
        database.add([make_entry(make_instance(series=s)) for s in range(1, 600)])  # more than a page, at one moment
        database.add([make_entry(tenant="other"), make_entry(make_instance(2, series=5))])
        end = datetime.now(UTC) + _LATER
        found = list(revisions.changed_series(before=end))
        assert len({(one.tenant, one.series_uid) for one in found}) == len(found) == 600
        assert [one.changed for one in found] == sorted(one.changed for one in found)
        assert {(one.tenant, one.series_uid) for one in found[-2:]} == {
            ("local", f"{_STUDY}.5"),
            ("other", f"{_STUDY}.1"),
        }
        for position in (0, 250, 599):
            rest = list(revisions.changed_series(before=end, after=found[position].revision))
            assert rest == found[position + 1 :]
        assert list(revisions.changed_series(before=found[0].changed - _LATER)) == []

    @ability(Revisions)
    def test_who_sees_the_rows_of_a_change_sees_its_revision(self, open_database: Callable[[], Database]) -> None:
        with closing(open_database()) as writer, closing(open_database()) as reader:
            assert isinstance(reader, Revisions)
            writer.add([make_entry(make_instance(1))])
            thread = threading.Thread(
                target=lambda: [writer.add([make_entry(make_instance(n))]) for n in range(2, 40)], daemon=True
            )
            thread.start()
            seen: dict[str, set[int]] = {}
            is_over = False
            while not is_over:
                is_over = not thread.is_alive()
                (before,) = _only(reader)
                rows = sum(1 for _ in reader.instances("local", _STUDY))
                (after,) = _only(reader)
                if before == after:
                    seen.setdefault(before.revision, set()).add(rows)
                    assert rows == before.instances
            assert max(map(max, seen.values())) == 39
            assert all(len(counts) == 1 for counts in seen.values())


def _only(database: Database) -> list[SeriesRevision]:
    return cast("Revisions", database).revisions("local", _STUDY)
