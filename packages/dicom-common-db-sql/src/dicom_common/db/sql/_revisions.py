"""The revision of each series: another one whenever its instances change, in the transaction that changes them.

A revision is the time in microseconds with ten random bits behind it: it says when, it is in order, and it does not
come back where a clock is set back. In a table of its own: the row of a series is wide, and is not written where one of
its instances takes the place of another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime

from dicom_common.core import SeriesRevision
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._values import micros, moment, study_date

__all__ = ["BEGINNING", "RevisionWrites", "SeriesRevisions", "position"]

_RANDOM_BITS = 10
_GREATEST = 2**63 - 1
"""The greatest number that a column keeps; a moment some centuries from now is beyond it."""
BEGINNING = (-1, 0)
"""Before every position."""


class RevisionWrites:
    """The statements that keep the revisions, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._insert = dialect.inserter("series_revision")
        self._update, self._delete = Lookup(dialect, "revisions.revise"), Lookup(dialect, "revisions.forget")

    def written(self, session: Session, *, new: Iterable[int], old: Iterable[int]) -> None:
        """Give series another revision; `new` ones had none."""
        made = micros(datetime.now(UTC)) << _RANDOM_BITS | int.from_bytes(os.urandom(2)) % (1 << _RANDOM_BITS)
        self._insert(session, [(pk, made) for pk in sorted(new)])
        self._update.run(session, sorted(old), revision=made)

    def forget(self, session: Session, pks: Iterable[int]) -> None:
        """Take the revisions of series away that are about to go."""
        self._delete.run(session, pks)


class SeriesRevisions:
    """The statements that read the revisions, for one dialect."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._of_study = Statement(dialect, "revisions.of_study")
        self._of_series = Statement(dialect, "revisions.of_series")
        self._changed = Statement(dialect, "revisions.changed")

    def of(self, session: Session, tenant_pk: int, study_uid: str, series_uid: str | None) -> list[SeriesRevision]:
        """See `Revisions.revisions`."""
        statement = self._of_study if series_uid is None else self._of_series
        rows = statement.rows(session, {"tenant": tenant_pk, "study": study_uid, "series": series_uid})
        return [_made(row) for row in rows]

    def changed(
        self, session: Session, *, after: tuple[int, int], before: datetime, limit: int
    ) -> list[SeriesRevision]:
        """Return a page of `Revisions.changed_series`."""
        revision, pk = after
        end = min(micros(before) << _RANDOM_BITS, _GREATEST)
        rows = self._changed.rows(session, {"revision": revision, "series": pk, "before": end, "limit": limit})
        return [_made(row) for row in rows]


def position(revision: str) -> tuple[int, int]:
    """Take a revision apart: the number, and the surrogate key of the series."""
    number, _, pk = revision.partition("-")
    try:
        return int(number), int(pk)
    except ValueError:
        raise ValueError("after has to be the revision of a series, as this database has given it") from None


def _made(row: Row) -> SeriesRevision:
    number, pk, tenant_name, study_uid, series_uid, instances, day = row
    return SeriesRevision(
        tenant=tenant_name,
        study_uid=study_uid,
        series_uid=series_uid,
        revision=f"{number}-{pk}",
        changed=moment(number >> _RANDOM_BITS),
        instances=instances,
        study_date=study_date(day),
    )
