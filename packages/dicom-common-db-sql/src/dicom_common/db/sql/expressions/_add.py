"""What `add` asks before it decides, and what it changes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Delete,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    delete,
    func,
    select,
    update,
)

from dicom_common.core import Level
from dicom_common.db.sql._rows import attribute_names
from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._tables import (
    LEVELS,
    discarded_key,
    instance,
    instance_json,
    patient,
    series as series_table,
    series_class,
    study,
)

_i, _e, _s, _p, _c = instance.c, series_table.c, study.c, patient.c, series_class.c
_d = discarded_key.c


def _attributes(level: Level) -> list[Column[Any]]:
    """Return what instances contend for."""
    return [LEVELS[level].c[name] for name in attribute_names(level)]


# The counts of SOP Classes

more_of_class = (
    update(series_class)
    .where(_c.series_fk == bindparam("at"), _c.sop_class_uid == bindparam("class"))
    .values(instances=_c.instances + bindparam("instances"))
)


def classes(among: Among) -> Select[Any]:
    """Return the SOP Classes that series have."""
    return select(_c.series_fk, _c.sop_class_uid).where(among(_c.series_fk))


def forget_classes(among: Among) -> Delete:
    """Delete the SOP Classes of which series have no instance any more."""
    return delete(series_class).where(among(_c.series_fk), _c.instances == 0)


# What is there


def held(among: Among) -> Select[Any]:
    """Return the instances of a tenant that have certain UIDs."""
    down = instance.join(series_table).join(study, _e.study_fk == _s.pk)
    return (
        select(_i.sop_uid, _i.pk, _s.study_uid, _e.series_uid, _i.sop_class_uid, _i.storage_key, _i.sha256)
        .select_from(down)
        .where(among(_i.sop_uid), _i.tenant_fk == bindparam("tenant"))
    )


# Locked where rows can be locked one by one: two batches of one study, or of one patient, wait for each other here.
# From one table at a time: of a row that was waited for, the newest version is read, but of what is joined to it the
# version from before the wait.


def studies(among: Among) -> Select[Any]:
    """Return and lock studies of a tenant."""
    return (
        select(_s.study_uid, _s.pk, _s.sources, _s.patient_fk, *_attributes(Level.STUDY))
        .where(among(_s.study_uid))
        .order_by(_s.study_uid)
        .with_for_update(key_share=True)
        .where(_s.tenant_fk == bindparam("tenant"))
    )


def patients(among: Among) -> Select[Any]:
    """Return and lock patients."""
    return (
        select(_p.pk, _p.patient_id, _p.issuer_of_patient_id, _p.of_study, _p.sources, *_attributes(Level.PATIENT))
        .where(among(_p.pk))
        .order_by(_p.pk)
        .with_for_update(key_share=True)
    )


def series(among: Among) -> Select[Any]:
    """Return series of a tenant."""
    return (
        select(_e.series_uid, _s.study_uid, _e.pk, _e.sources, _e.instances, _s.pk, *_attributes(Level.SERIES))
        .select_from(series_table.join(study))
        .where(among(_e.series_uid), _e.tenant_fk == bindparam("tenant"))
    )


def named(among: Among) -> Select[Any]:
    """Return the patients of a tenant that have certain Patient IDs."""
    return select(_p.patient_id, _p.issuer_of_patient_id, _p.pk).where(
        among(_p.patient_id), _p.tenant_fk == bindparam("tenant")
    )


def _count_of(table: Table, *tests: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*tests).correlate(None).scalar_subquery()


known = (
    select(
        _count_of(instance, _i.tenant_fk == bindparam("tenant"), _i.sop_uid == bindparam("sop")),
        _count_of(
            discarded_key,
            _d.storage_key == bindparam("key"),
            _d.deleted.is_(None) | (_d.deleted >= bindparam("since")),
        ),
        _e.pk, _e.sources, _e.instances, _s.pk, _s.study_uid, _s.sources,
        _p.pk, _p.sources, _p.patient_id, _p.issuer_of_patient_id, _p.of_study,
        *_attributes(Level.PATIENT), *_attributes(Level.STUDY), *_attributes(Level.SERIES),
    )
    .select_from(series_table.join(study, _e.study_fk == _s.pk).join(patient, _s.patient_fk == _p.pk))
    .where(_e.tenant_fk == bindparam("tenant"), _e.series_uid == bindparam("series"))
)  # fmt: skip
"""Everything that matters for one instance of a series: whether it or its key is known, and the parents' rows."""

# What is replaced


def forget_json(among: Among) -> Delete:
    """Delete the metadata of instances."""
    return delete(instance_json).where(among(instance_json.c.instance_fk))


def forget(among: Among) -> Delete:
    """Delete instances."""
    return delete(instance).where(among(_i.pk))
