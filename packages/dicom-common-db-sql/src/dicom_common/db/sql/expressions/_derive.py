"""What rows are derived from, and what they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Delete, Select, bindparam, delete, select

from dicom_common.core import Level
from dicom_common.db.sql._rows import derived_columns
from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import (
    instance,
    instance_json,
    metadata,
    patient as patient_table,
    series as series_table,
    series_revision,
    study as study_table,
)

_i, _p, _s, _e = instance.c, patient_table.c, study_table.c, series_table.c
_at: BindParameter[Any] = bindparam("at")

below = (
    select(
        _i.pk, _i.series_fk, _i.sop_class_uid, _i.other_patient, _i.received, _i.sop_uid, _i.instance_creation_date,
        _i.instance_creation_time, _i.content_date, _i.content_time, _i.acquisition_date, _i.acquisition_time,
        instance_json.c.upper,
    )
    .select_from(
        instance.join(series_table, _i.series_fk == _e.pk).join(instance_json, instance_json.c.instance_fk == _i.pk)
    )
    .where(_e.study_fk == _at)
)  # fmt: skip
study = select(_s.tenant_fk, _s.patient_fk, *[_s[name] for name in derived_columns(Level.STUDY)]).where(_s.pk == _at)
series = select(_e.pk, *[_e[name] for name in derived_columns(Level.SERIES)]).where(_e.study_fk == _at)
patient = select(*[_p[name] for name in derived_columns(Level.PATIENT)]).where(_p.pk == _at)
identity = select(_p.patient_id, _p.issuer_of_patient_id, _p.of_study).where(_p.pk == _at)
studies = select(_s.pk, _s.series, _s.instances).where(_s.patient_fk == _at)
named = select(_p.pk).where(
    _p.tenant_fk == bindparam("tenant"),
    _p.patient_id == bindparam("patient_id"),
    _p.issuer_of_patient_id == bindparam("issuer"),
    _p.of_study == bindparam("of_study"),
)


def of_series(among: Among, table: str) -> Select[Any]:
    """Return the rows that a table has of series."""
    return select(*metadata.tables[table].columns).where(among(metadata.tables[table].c.series_fk))


def revised(among: Among) -> Select[Any]:
    """Return those of several series that have a revision."""
    return select(series_revision.c.series_fk).where(among(series_revision.c.series_fk))


def forget(among: Among, table: str, column: str) -> Delete:
    """Delete the rows of a table that have one of several keys."""
    return delete(metadata.tables[table]).where(among(metadata.tables[table].c[column]))
