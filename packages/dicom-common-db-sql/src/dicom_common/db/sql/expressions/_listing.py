"""Instances one after another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select

from dicom_common.core import Level
from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._find import ORDER
from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import instance, instance_json, series, study, tenant

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


def place(_: SqlExpressions, of_series: bool, of_instance: bool) -> Select[Any]:
    """Return the surrogate keys of the instances of a study, of a series or an instance of it, in order."""
    tests = [study.c.study_uid == bindparam("study"), study.c.tenant_fk == bindparam("tenant")]
    if of_series:
        tests.append(series.c.series_uid == bindparam("series"))
    if of_instance:
        tests.append(and_(_c.sop_uid == bindparam("sop"), _c.tenant_fk == bindparam("tenant")))
    return select(_c.pk).select_from(_JOINED).where(*tests).order_by(*ORDER[Level.INSTANCE])
