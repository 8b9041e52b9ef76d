"""Counting names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, func, select, union_all

from dicom_common.core import Level
from dicom_common.db.sql._columns import FOLDED
from dicom_common.db.sql._shapes import Shape, searched
from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import LEVELS
from dicom_common.db.sql.expressions._where import named, worded


def bearers(product: SqlExpressions, shape: Shape, size: int) -> Select[Any]:
    """Count those whose name begins as a condition says, or has its words, up to `:most`."""
    attribute = searched(shape.keywords[0])
    bound: list[BindParameter[Any]] = [bindparam(f"value_{at}") for at in range(size)]
    if shape.kind == "words":
        table = LEVELS[attribute.level]
        bearer = select(table.c.pk).where(worded(table, shape, iter(bound), product)).limit(bindparam("most"))
        return select(func.count()).select_from(bearer.subquery())
    ((group, text),) = shape.form[0]
    columns = FOLDED[attribute.field]
    selected = named(attribute.level, columns if group is None else [columns[group]], text, iter(bound), product)
    found = union_all(*selected).limit(bindparam("most")).subquery()
    return select(func.count()).select_from(found)


def greatest(_: SqlExpressions, level: Level) -> Select[Any]:
    """Return the greatest surrogate key of a level."""
    return select(func.coalesce(func.max(LEVELS[level].c.pk), 0))
