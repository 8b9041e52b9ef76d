"""Instances one after another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
    update,
)

from dicom_common.core import Level
from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._find import ORDER
from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import instance, instance_json, patient, series, study, tenant

_c = instance.c
_JOINED = (
    instance.join(series).join(study, series.c.study_fk == study.c.pk).join(tenant, tenant.c.pk == instance.c.tenant_fk)
)
_STORED = (
    tenant.c.name,
    study.c.study_uid,
    series.c.series_uid,
    _c.sop_uid,
    _c.sop_class_uid,
    _c.transfer_syntax_uid,
    _c.storage_key,
    _c.size,
    _c.sha256,
)
_listed = select(*_STORED).select_from(_JOINED)
_with_pk = select(_c.pk, *_STORED).select_from(_JOINED)

walk = (
    _with_pk.where(_c.storage_key >= bindparam("key"), or_(_c.storage_key > bindparam("key"), _c.pk > bindparam("pk")))
    .order_by(_c.storage_key, _c.pk)
    .limit(bindparam("limit"))
)


_KEPT = and_(
    _c.tenant_fk == bindparam("tenant"),
    _c.sop_uid == bindparam("sop"),
    series.c.series_uid == bindparam("series"),
    study.c.study_uid == bindparam("study"),
)
frames = select(*_STORED, instance_json.c.frames).select_from(_JOINED.join(instance_json)).where(_KEPT)
"""One instance, and what is kept of its frames."""
walk_without_frames = (
    select(_c.pk, *_STORED)
    .select_from(_JOINED.join(instance_json))
    .where(
        instance_json.c.frames.is_(None),
        _c.storage_key >= bindparam("key"),
        or_(_c.storage_key > bindparam("key"), _c.pk > bindparam("pk")),
    )
    .order_by(_c.storage_key, _c.pk)
    .limit(bindparam("limit"))
)
keep_frames = (
    update(instance_json).where(instance_json.c.instance_fk == bindparam("at")).values(frames=bindparam("frames"))
)


def bytes_of(among: Among) -> Select[Any]:
    """Return the digests of what instances of any tenant are stored as, by storage key."""
    return select(_c.storage_key, _c.pk, _c.sha256).where(among(_c.storage_key))


def by_uid(among: Among) -> Select[Any]:
    """Return the instances of a tenant that have certain UIDs."""
    return _listed.where(among(_c.sop_uid), _c.tenant_fk == bindparam("tenant"))


def by_key(among: Among) -> Select[Any]:
    """Return the instances that have certain storage keys."""
    return _listed.where(among(_c.storage_key))


def by_pk(among: Among) -> Select[Any]:
    """Return instances by surrogate key, which stands before the rest."""
    return _with_pk.where(among(_c.pk))


def json(among: Among) -> Select[Any]:
    """Return the metadata of instances."""
    j = instance_json.c
    return select(j.instance_fk, j.metadata).where(among(j.instance_fk))


def json_of_instances(among: Among) -> Select[Any]:
    """Return the metadata of instances of a tenant by UID."""
    joined = instance.join(instance_json)
    return (
        select(_c.sop_uid, instance_json.c.metadata)
        .select_from(joined)
        .where(among(_c.sop_uid), _c.tenant_fk == bindparam("tenant"))
    )


def first_of_series(among: Among) -> Select[Any]:
    """Return the first instance of each series that has one of certain UIDs."""
    return (
        select(study.c.study_uid, series.c.series_uid, _first_instance(series.c.pk))
        .select_from(series.join(study, series.c.study_fk == study.c.pk))
        .where(among(series.c.series_uid), series.c.tenant_fk == bindparam("tenant"))
    )


def first_of_studies(among: Among) -> Select[Any]:
    """Return the first instance of each study that has one of certain UIDs."""
    return select(study.c.study_uid, _first_instance(_first_series(study.c.pk))).where(
        among(study.c.study_uid), study.c.tenant_fk == bindparam("tenant")
    )


def first_of_patients(among: Among) -> Select[Any]:
    """Return the first instance of each patient that has one of certain Patient IDs."""
    return select(
        patient.c.patient_id,
        patient.c.issuer_of_patient_id,
        _first_instance(_first_series(_first_study(patient.c.pk))),
    ).where(among(patient.c.patient_id), patient.c.tenant_fk == bindparam("tenant"), patient.c.of_study == "")


def _first_study(patient_fk: ColumnElement[int]) -> ScalarSelect[int]:
    one = study.alias()
    return _first(one, one.c.patient_fk == patient_fk, one.c.study_date.desc(), one.c.study_uid)


def _first_series(study_fk: ColumnElement[int]) -> ScalarSelect[int]:
    one = series.alias()
    return _first(one, one.c.study_fk == study_fk, one.c.series_number, one.c.series_uid)


def _first_instance(series_fk: ColumnElement[int]) -> ScalarSelect[int]:
    one = instance.alias()
    return _first(one, one.c.series_fk == series_fk, one.c.instance_number, one.c.sop_uid)


def _first(one: FromClause, of: ColumnElement[bool], *order: ColumnElement[Any]) -> ScalarSelect[int]:
    """Return the first of the rows below another one."""
    chosen = select(one.c.pk).where(of).order_by(*order).limit(literal_column("1"))
    return chosen.correlate_except(one).scalar_subquery()


def place(_: SqlExpressions, of_series: bool, of_instance: bool) -> Select[Any]:
    """Return the surrogate keys of the instances of a study, of a series or an instance of it, in order."""
    tests = [study.c.study_uid == bindparam("study"), study.c.tenant_fk == bindparam("tenant")]
    if of_series:
        tests.append(series.c.series_uid == bindparam("series"))
    if of_instance:
        tests.append(and_(_c.sop_uid == bindparam("sop"), _c.tenant_fk == bindparam("tenant")))
    return select(_c.pk).select_from(_JOINED).where(*tests).order_by(*ORDER[Level.INSTANCE])
