"""The revision of each series: another one whenever its instances change, in the transaction that changes them.

A revision is the time in microseconds with ten random bits behind it: it says when, it is in order, and it does not
come back where a clock is set back. In a table of its own: the row of a series is wide, and is not written where one of
its instances takes the place of another.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import and_, bindparam, delete, or_, select, update

from dicom_common.core import SeriesRevision
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._schema import series, series_revision, study, tenant
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._values import micros, moment, study_date

__all__ = ["BEGINNING", "RevisionWrites", "SeriesRevisions", "position"]

_RANDOM_BITS = 10
BEGINNING = (-1, 0)
"""Before every position."""


class RevisionWrites:
    """The statements that keep the revisions, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        c = series_revision.c
        self._insert = dialect.inserter(series_revision)
        self._update = Lookup(
            dialect,
            lambda among: update(series_revision).where(among(c.series_fk)).values(revision=bindparam("revision")),
        )
        self._delete = Lookup(dialect, lambda among: delete(series_revision).where(among(c.series_fk)))

    def written(self, session: Session, *, new: Iterable[int], old: Iterable[int]) -> None:
        """Give series another revision; `new` ones had none."""
        made = micros(datetime.now(UTC)) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        self._insert(session, [(pk, made) for pk in sorted(new)])
        self._update.run(session, sorted(old), revision=made)

    def forget(self, session: Session, pks: Iterable[int]) -> None:
        """Take the revisions of series away that are about to go."""
        self._delete.run(session, pks)


class SeriesRevisions:
    """The statements that read the revisions, for one dialect."""

    def __init__(self, dialect: SqlDialect) -> None:
        r, e, s = series_revision.c, series.c, study.c
        listed = select(
            r.revision, r.series_fk, tenant.c.name, s.study_uid, e.series_uid, e.instances, s.study_date
        ).select_from(
            series_revision.join(series).join(study, s.pk == e.study_fk).join(tenant, tenant.c.pk == e.tenant_fk)
        )
        of_study = listed.where(s.tenant_fk == bindparam("tenant"), s.study_uid == bindparam("study"))
        self._of_study = Statement(of_study.order_by(e.series_uid), dialect)
        self._of_series = Statement(of_study.where(e.series_uid == bindparam("series")), dialect)
        behind = and_(r.revision == bindparam("revision"), r.series_fk > bindparam("series"))
        self._changed = Statement(
            listed.where(r.revision >= bindparam("revision"), r.revision < bindparam("before"))
            .where(or_(r.revision > bindparam("revision"), behind))
            .order_by(r.revision, r.series_fk)
            .limit(bindparam("limit")),
            dialect,
        )

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
        end = micros(before) << _RANDOM_BITS
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
