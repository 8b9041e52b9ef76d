"""Searches: the statement of each shape of query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    FromClause,
    Select,
    UnaryExpression,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)

from dicom_common.core import Level
from dicom_common.db.sql._answers import READERS
from dicom_common.db.sql._leading import leading, levels_of
from dicom_common.db.sql._shapes import Shape
from dicom_common.db.sql.expressions._compile import Among
from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import (
    LEVELS,
    instance,
    patient,
    series,
    series_class,
    study,
    study_modality,
)
from dicom_common.db.sql.expressions._where import TENANT, where

__all__ = ["ORDER", "children", "classes", "modalities", "search"]

_DOWN: tuple[tuple[Level, tuple[Any, ...]], ...] = (
    (Level.STUDY, (study.c.study_date.desc(), study.c.study_uid)),
    (Level.SERIES, (series.c.series_number, series.c.series_uid)),
    (Level.INSTANCE, (instance.c.instance_number, instance.c.sop_uid)),
)
_BY_PATIENT = (
    patient.c.without_id,
    patient.c.patient_id,
    patient.c.without_issuer,
    patient.c.issuer_of_patient_id,
    patient.c.of_study,
)
ORDER: dict[Level, tuple[Any, ...]] = {Level.PATIENT: _BY_PATIENT} | {
    level: tuple(column for at, columns in _DOWN if at <= level for column in columns)
    for level in (Level.STUDY, Level.SERIES, Level.INSTANCE)
}
_LINKS = {
    Level.STUDY: study.c.patient_fk == patient.c.pk,
    Level.SERIES: series.c.study_fk == study.c.pk,
    Level.INSTANCE: instance.c.series_fk == series.c.pk,
}


def modalities(among: Among) -> Select[Any]:
    """Return the modalities of studies (0)."""
    return select(study_modality.c.study_fk, study_modality.c.modality, literal_column("0")).where(
        among(study_modality.c.study_fk)
    )


def classes(among: Among) -> Select[Any]:
    """Return the SOP Classes of studies (1)."""
    return (
        select(series.c.study_fk, series_class.c.sop_class_uid, literal_column("1"))
        .distinct()
        .select_from(series.join(series_class))
        .where(among(series.c.study_fk))
    )


def children(among: Among) -> CompoundSelect[Any]:
    """Return both. One question: on a server, going there and back takes longer than the answer."""
    return union_all(modalities(among), classes(among))


def search(  # noqa: PLR0913, PLR0917 - each decides on the SQL
    product: SqlExpressions,
    level: Level,
    count: bool,
    bounded: bool,
    shifted: bool,
    common: tuple[int, ...],
    shapes: tuple[Shape, ...],
    sizes: tuple[int, ...],
) -> Select[Any]:
    """Search a level, or count there.

    Args:
        product: for which.
        level: whose rows are asked for.
        count: only count them.
        bounded: there is a limit.
        shifted: there is an offset.
        common: the numbers of the conditions that are not to lead.
        shapes: the conditions.
        sizes: the number of values of each.
    """
    leader, by_modality = leading(shapes, level, whole=not bounded, common=common)
    conditions = [
        where(
            shape,
            [bindparam(f"value_{number}_{at}") for at in range(size)],
            level,
            product,
            leads=number == leader,
            by_modality=by_modality,
        )
        for number, (shape, size) in enumerate(zip(shapes, sizes, strict=True))
    ]
    top = min([level, *(levels_of(shape) for shape in shapes)]) if count else Level.PATIENT
    # Without a leader, rows are met in order: by the index on the studies' dates, or on the patients.
    first = level if count else min(level, Level.STUDY)
    if leader is None:
        conditions.append(LEVELS[first].c.tenant_fk == TENANT)
    else:
        conditions.append(product.neutral(LEVELS[level].c.tenant_fk) == TENANT)
    joined = _joined(top, level, by_modality=by_modality)
    if count:
        return select(func.count()).select_from(joined).where(*conditions)
    order = ORDER[level]
    if by_modality:
        order = (study_modality.c.study_date.desc(), study_modality.c.study_uid, *order[2:])
    elif leader is not None and shapes[leader].keywords[0] != "StudyDate":
        order = _unordered(product, order)  # the leader's index, and a sort of the few that it finds
    made = select(*_columns(level)).select_from(joined).where(*conditions).order_by(*order)
    if bounded:
        made = made.limit(bindparam("limit"))
    return made.offset(bindparam("offset")) if shifted else made


def _columns(level: Level) -> list[Any]:
    """Return the columns of an answer; behind them stands the study's surrogate key."""
    columns: list[Any] = [LEVELS[at].c[name] for at, name in READERS[level].columns]
    return [*columns, study.c.pk] if level >= Level.STUDY else columns


def _unordered(product: SqlExpressions, order: Sequence[Any]) -> tuple[Any, ...]:
    neutral = product.neutral
    # A descending column is a unary expression around the column.
    return tuple([neutral(c.element).desc() if isinstance(c, UnaryExpression) else neutral(c) for c in order])


def _joined(top: Level, level: Level, *, by_modality: bool) -> FromClause:
    joined: FromClause = LEVELS[top]
    for lower in range(top + 1, level + 1):
        joined = joined.join(LEVELS[Level(lower)], _LINKS[Level(lower)])
    return joined.join(study_modality, study_modality.c.study_fk == study.c.pk) if by_modality else joined
