"""The revision of each series."""

from __future__ import annotations

from sqlalchemy import Delete, Update, and_, bindparam, delete, or_, select, update

from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import series, series_revision, study, tenant

_r, _e, _s = series_revision.c, series.c, study.c
_listed = select(
    _r.revision, _r.series_fk, tenant.c.name, _s.study_uid, _e.series_uid, _e.instances, _s.study_date
).select_from(series_revision.join(series).join(study, _s.pk == _e.study_fk).join(tenant, tenant.c.pk == _e.tenant_fk))
_of_study = _listed.where(_s.tenant_fk == bindparam("tenant"), _s.study_uid == bindparam("study"))
_behind = and_(_r.revision == bindparam("revision"), _r.series_fk > bindparam("series"))

of_study = _of_study.order_by(_e.series_uid)
of_series = _of_study.where(_e.series_uid == bindparam("series"))
changed = (
    _listed.where(_r.revision >= bindparam("revision"), _r.revision < bindparam("before"))
    .where(or_(_r.revision > bindparam("revision"), _behind))
    .order_by(_r.revision, _r.series_fk)
    .limit(bindparam("limit"))
)


def revise(among: Among) -> Update:
    """Give series another revision."""
    return update(series_revision).where(among(_r.series_fk)).values(revision=bindparam("revision"))


def forget(among: Among) -> Delete:
    """Delete the revisions of series."""
    return delete(series_revision).where(among(_r.series_fk))
