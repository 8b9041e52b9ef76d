"""The modalities of each study."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CompoundSelect, Delete, bindparam, delete, literal_column, select, union_all

from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import series, study, study_modality

_m = study_modality.c

delete_one = delete(study_modality).where(_m.study_fk == bindparam("at"), _m.modality == bindparam("modality"))


def forget(among: Among) -> Delete:
    """Delete what is kept of studies."""
    return delete(study_modality).where(among(_m.study_fk))


def both(among: Among) -> CompoundSelect[Any]:
    """Return what is kept of studies (0), and what should be (1)."""
    return union_all(
        select(literal_column("0"), _m.study_fk, _m.modality, _m.tenant_fk, _m.study_date, _m.study_uid).where(
            among(_m.study_fk)
        ),
        select(
            literal_column("1"),
            series.c.study_fk,
            series.c.modality,
            study.c.tenant_fk,
            study.c.study_date,
            study.c.study_uid,
        )
        .distinct()
        .select_from(series.join(study))
        .where(among(series.c.study_fk), series.c.modality.is_not(None)),
    )
