"""Studies and patients, a page at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, select

from dicom_common.db.sql.expressions._tables import patient, study, tenant


def _paged(rows: Select[Any]) -> Select[Any]:
    pk = rows.selected_columns[0]
    return rows.where(pk > bindparam("after")).order_by(pk).limit(bindparam("limit"))


_studies = select(study.c.pk, tenant.c.name, study.c.study_uid).select_from(study.join(tenant))
_patients = select(patient.c.pk, tenant.c.name).select_from(patient.join(tenant))

studies, patients = _paged(_studies), _paged(_patients)
stale_studies = _paged(_studies.where(study.c.sources.is_(None)))
stale_patients = _paged(_patients.where(patient.c.sources.is_(None)))
