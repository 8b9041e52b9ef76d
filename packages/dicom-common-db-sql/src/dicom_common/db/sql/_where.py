"""From the shape of a condition to SQL. Column names come from the table of attributes, values are always bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    exists,
    or_,
    select,
    union_all,
)

from dicom_common.core import Level
from dicom_common.db.sql._flavour import Flavour
from dicom_common.db.sql._schema import FOLDED, LEVELS, request_item, series, series_class, study
from dicom_common.db.sql._shapes import MODALITIES, REQUEST_KEYS, Shape, searched

__all__ = ["TENANT", "levels_of", "where"]

TENANT: BindParameter[int] = bindparam("tenant")
_PARENT = {Level.STUDY: "patient_fk", Level.SERIES: "study_fk", Level.INSTANCE: "series_fk"}
_SELECTIVE = frozenset(
    {
        "StudyInstanceUID",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "SeriesInstanceUID",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        *REQUEST_KEYS,
        "SOPInstanceUID",
    }
)
"""Keys with an index whose values few rows share: on a higher level, the rows that match are looked up first. For all
others (a modality, an instance number) each candidate is asked in the order of the answer, until the page is full."""

Bound = Iterator[BindParameter[Any]]


def where(shape: Shape, bound: Sequence[BindParameter[Any]], level: Level, flavour: Flavour) -> ColumnElement[bool]:
    """Write a condition of a search at a level, of which the tables of this and the upper levels are joined."""
    attribute = searched(shape.keywords[0])
    if shape.keywords[0] == MODALITIES:
        inner = series.alias()
        if level is Level.PATIENT:
            return _below(level, Level.SERIES, shape, bound, flavour)
        return exists().where(inner.c.study_fk == study.c.pk, _test(inner, shape, iter(bound), flavour))
    if attribute.level > level:
        return _below(level, attribute.level, shape, bound, flavour)
    table = LEVELS[attribute.level]
    return and_(table.c.tenant_fk == TENANT, _test(table, shape, iter(bound), flavour))


def levels_of(shape: Shape) -> Level:
    """Return the level of the rows that a condition is about."""
    return Level.STUDY if shape.keywords[0] == MODALITIES else searched(shape.keywords[0]).level


def _below(
    level: Level, down_to: Level, shape: Shape, bound: Sequence[BindParameter[Any]], flavour: Flavour
) -> ColumnElement[bool]:
    """A condition on a lower level holds where any child does."""
    if shape.keywords[0] == "SOPClassUID":
        last: FromClause = series_class.alias()
        tables: list[FromClause] = [LEVELS[Level(n)].alias() for n in range(level + 1, Level.INSTANCE)]
    else:
        tables = [LEVELS[Level(n)].alias() for n in range(level + 1, down_to)]
        last = LEVELS[down_to].alias()
    tables.append(last)
    links = [_PARENT[Level(level + 1 + step)] for step in range(len(tables))]
    joined = tables[0]
    for upper, lower, link in zip(tables, tables[1:], links[1:], strict=False):
        joined = joined.join(lower, lower.c[link] == upper.c.pk)
    test = _test(last, shape, iter(bound), flavour)
    own, link_up = LEVELS[level].c.pk, tables[0].c[links[0]]
    if shape.keywords[0] in _SELECTIVE:
        return own.in_(select(link_up).select_from(joined).where(last.c.tenant_fk == TENANT, test))
    return exists().select_from(joined).where(link_up == own, test)


def _test(table: FromClause, shape: Shape, bound: Bound, flavour: Flavour) -> ColumnElement[bool]:
    keyword = shape.keywords[0]
    if shape.kind == "range":
        return _range(table, shape, bound)
    if shape.kind == "name":
        return _name(table, FOLDED[searched(keyword).field], shape, bound, flavour)
    if keyword in REQUEST_KEYS:
        item = request_item.alias()
        test = _column_test(item.c[REQUEST_KEYS[keyword]], shape, bound, flavour)
        return table.c.pk.in_(select(item.c.series_fk).where(item.c.tenant_fk == TENANT, test))
    attribute = searched(keyword)
    column = table.c[attribute.field]
    if attribute.multiple:
        return flavour.any_item(column, lambda item: _column_test(item, shape, bound, flavour))
    return _column_test(column, shape, bound, flavour)


def _column_test(column: ColumnElement[Any], shape: Shape, bound: Bound, flavour: Flavour) -> ColumnElement[bool]:
    if shape.kind == "in":
        values = list(bound)
        return column == values[0] if len(values) == 1 else column.in_(values)
    return _text(column, shape.form[0], bound, flavour)


def _text(column: ColumnElement[Any], form: tuple[bool, ...], bound: Bound, flavour: Flavour) -> ColumnElement[bool]:
    """A pattern; its fixed beginning is written as a range too, which an index serves on every database."""
    if not form:
        return column == next(bound)
    tests = []
    if form[0]:
        tests.append(column >= next(bound))
    if form[1]:
        tests.append(column < next(bound))
    return and_(*tests, flavour.matches(column, next(bound)))


def _name(
    table: FromClause, columns: Sequence[str], shape: Shape, bound: Bound, flavour: Flavour
) -> ColumnElement[bool]:
    alternatives = []
    for form in shape.form:
        tests = [
            _one_name(table, columns if group is None else [columns[group]], text, bound, flavour)
            for group, text in form
        ]
        alternatives.append(and_(*tests))
    return or_(*alternatives)


def _one_name(
    table: FromClause, columns: Sequence[str], text: tuple[bool, ...], bound: Bound, flavour: Flavour
) -> ColumnElement[bool]:
    # Each component group has an index of its own, and a union uses them all; an OR would use none.
    parameters = [next(bound) for _ in range(1 + sum(text))]
    source = LEVELS[Level.PATIENT if "patient_id" in table.c else Level.STUDY]

    def of(column: str) -> Any:
        rows = source.alias()
        test = _text(rows.c[column], text, iter(parameters), flavour)
        return select(rows.c.pk).where(rows.c.tenant_fk == TENANT, rows.c[column].is_not(None), test)

    return table.c.pk.in_(union_all(*(of(column) for column in columns)))


def _range(table: FromClause, shape: Shape, bound: Bound) -> ColumnElement[bool]:
    columns = [table.c[searched(keyword).field] for keyword in shape.keywords]
    has_low, has_high = shape.form
    low = [next(bound) for _ in columns] if has_low else []
    high = [next(bound) for _ in columns] if has_high else []
    tests: list[ColumnElement[bool]] = []
    if low:
        tests.append(columns[0] >= low[0])
    elif columns[0].name == "study_date":
        tests.append(columns[0] > 0)  # 0 is no date
    if high:
        tests.append(columns[0] <= high[0])
    if len(columns) == 2:  # a date and a time as one point in time (PS3.18 8.3.4.1.1)
        if low:
            tests.append(or_(columns[0] > low[0], columns[1] >= low[1]))
        if high:
            tests.append(or_(columns[0] < high[0], columns[1] <= high[1]))
    return and_(*tests)
