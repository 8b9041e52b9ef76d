"""From the shape of a condition to SQL. Column names come from the table of attributes, values are always bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    bindparam,
    exists,
    or_,
    select,
)

from dicom_common.core import Level
from dicom_common.db.sql._columns import FOLDED, WORDS
from dicom_common.db.sql._leading import SELECTIVE, of_study
from dicom_common.db.sql._shapes import MODALITIES, REQUEST_KEYS, Shape, searched
from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import (
    LEVELS,
    patient,
    request_item,
    series,
    series_class,
    study,
    study_modality,
)

__all__ = ["TENANT", "named", "where", "worded"]

TENANT: BindParameter[int] = bindparam("tenant")
_PARENT = {Level.STUDY: "patient_fk", Level.SERIES: "study_fk", Level.INSTANCE: "series_fk"}
_NO_MODALITY = Shape("absent", (MODALITIES,), ())

Bound = Iterator[BindParameter[Any]]


def where(  # noqa: PLR0911, PLR0913 - each decides on the SQL; a return for each sort of it
    shape: Shape,
    bound: Sequence[BindParameter[Any]],
    level: Level,
    product: SqlExpressions,
    *,
    leads: bool,
    by_modality: bool,
) -> ColumnElement[bool]:
    """Write a condition of a search at a level, of which the tables of this and the upper levels are joined.

    The condition that leads is the one whose index is used; see `leading`.
    """
    attribute = searched(shape.keywords[0])
    if shape.kind == "or":
        parts, values = [], iter(bound)
        for part, number in shape.form:
            some = list(islice(values, number))
            parts.append(where(part, some, level, product, leads=leads, by_modality=False))
        return or_(*parts)
    if by_modality and (leads or (shape.keywords[0] == "StudyDate" and shape.kind == "range")):
        return _by_modality(shape, bound, level, product)
    if shape == _NO_MODALITY:
        return _without_modality(level)
    if of_study(shape, level):
        inner = study_modality.alias()
        return exists().where(inner.c.study_fk == study.c.pk, _test(inner, shape, iter(bound), product, leads=True))
    if shape.keywords[0] == MODALITIES:
        return _below(level, Level.SERIES, shape, bound, product, leads=leads)
    if attribute.level > level:
        return _below(level, attribute.level, shape, bound, product, leads=leads)
    table = LEVELS[attribute.level]
    if leads and shape.kind == "words":
        bearer = table.alias()
        return table.c.pk.in_(select(bearer.c.pk).where(worded(bearer, shape, iter(bound), product)))
    if leads and _uses_tenant(shape):
        return _of_tenant(table, shape, iter(bound), product)
    return _test(table, shape, iter(bound), product, leads=leads)


def worded(table: FromClause, shape: Shape, bound: Bound, product: SqlExpressions) -> ColumnElement[bool]:
    """Write that a row of the tenant has a name with the words of a condition."""
    column = table.c[WORDS[searched(shape.keywords[0]).field]]
    return and_(table.c.tenant_fk == TENANT, _column_test(column, shape, bound, product))


def _by_modality(
    shape: Shape, bound: Sequence[BindParameter[Any]], level: Level, product: SqlExpressions
) -> ColumnElement[bool]:
    """Write the condition on a modality that leads, or one on the date, which the same index has."""
    m = study_modality.c
    if shape.keywords[0] == "StudyDate":
        columns = {"study_date": m.study_date, "study_time": study.c.study_time}
        pairs = [(name, columns[name]) for name in (searched(keyword).field for keyword in shape.keywords)]
        return _range(pairs, shape, iter(bound))
    found = and_(m.tenant_fk == TENANT, m.modality == bound[0])
    if of_study(shape, level):
        return found
    return and_(found, _test(series, shape, iter(bound), product, leads=False))


def _without_modality(level: Level) -> ColumnElement[bool]:
    """A study in which no series has a modality."""
    inner = study_modality.alias()
    if level >= Level.STUDY:
        return ~exists().where(inner.c.study_fk == study.c.pk)
    own = study.alias()
    return exists().where(own.c.patient_fk == patient.c.pk, ~exists().where(inner.c.study_fk == own.c.pk))


def _uses_tenant(shape: Shape) -> bool:
    """Tell whether a condition is tested on the row itself, by an index that begins with the tenant."""
    return shape.kind != "name" and shape.keywords[0] not in REQUEST_KEYS


def _below(  # noqa: PLR0913 - what `where` has, and the level
    level: Level,
    down_to: Level,
    shape: Shape,
    bound: Sequence[BindParameter[Any]],
    product: SqlExpressions,
    *,
    leads: bool,
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
    own, link_up = LEVELS[level].c.pk, tables[0].c[links[0]]
    if shape.keywords[0] in SELECTIVE:
        return (own if leads else product.neutral(own)).in_(
            select(link_up).select_from(joined).where(_of_tenant(last, shape, iter(bound), product))
        )
    return exists().select_from(joined).where(link_up == own, _test(last, shape, iter(bound), product, leads=True))


def _of_tenant(table: FromClause, shape: Shape, bound: Bound, product: SqlExpressions) -> ColumnElement[bool]:
    """Look rows of the tenant up by an index that begins with the tenant."""
    if shape.kind == "any" and shape.keywords[0] not in REQUEST_KEYS and not searched(shape.keywords[0]).multiple:
        # The tenant with each text: SQLite takes the tenant alone for the better beginning where it stands by itself.
        column = table.c[searched(shape.keywords[0]).field]
        return or_(*[and_(table.c.tenant_fk == TENANT, _text(column, form, bound, product)) for form in shape.form])
    return and_(table.c.tenant_fk == TENANT, _test(table, shape, bound, product, leads=True))


def _test(
    table: FromClause, shape: Shape, bound: Bound, product: SqlExpressions, *, leads: bool
) -> ColumnElement[bool]:
    def column_of(name: str) -> ColumnElement[Any]:
        return table.c[name] if leads else product.neutral(table.c[name])

    keyword = shape.keywords[0]
    if shape.kind == "range":
        return _range([(searched(one).field, column_of(searched(one).field)) for one in shape.keywords], shape, bound)
    if shape.kind == "name":
        names = FOLDED[searched(keyword).field]
        if leads:
            return _name(table.c.pk, searched(keyword).level, names, shape, bound, product)
        return _own_name([column_of(name) for name in names], shape, bound, product)
    if keyword in REQUEST_KEYS:
        item = request_item.alias()
        parts = shape.form if shape.kind == "item" else (shape,)
        tests = [_column_test(item.c[REQUEST_KEYS[one.keywords[0]]], one, bound, product) for one in parts]
        found = column_of("pk").in_(select(item.c.series_fk).where(item.c.tenant_fk == TENANT, *tests))
        # No item at all is like one without values.
        return or_(column_of("request_attributes").is_(None), found) if all(map(_takes_none, parts)) else found
    attribute = searched(keyword)
    column = column_of(attribute.field)
    if attribute.multiple and shape.kind != "absent":
        return product.any_item(table.c[attribute.field], lambda item: _column_test(item, shape, bound, product))
    return _column_test(column_of(WORDS[attribute.field]) if shape.kind == "words" else column, shape, bound, product)


def _takes_none(shape: Shape) -> bool:
    return shape.kind == "absent" or (shape.kind == "or" and any(_takes_none(part) for part, _ in shape.form))


def _column_test(
    column: ColumnElement[Any], shape: Shape, bound: Bound, product: SqlExpressions
) -> ColumnElement[bool]:
    match shape.kind:
        case "in":
            values = list(islice(bound, shape.form[0]))
            return column == values[0] if len(values) == 1 else column.in_(values)
        case "many":
            return product.among(column, next(bound))
        case "words":
            return and_(*[product.matches(column, next(bound)) for _ in range(shape.form[0])])
        case "absent":
            # Whoever fills the record may write no text as None or as a text without characters.
            return or_(column.is_(None), column == "") if isinstance(column.type, String) else column.is_(None)
        case "or":
            return or_(*[_column_test(column, part, bound, product) for part, _ in shape.form])
        case _:
            return or_(*[_text(column, form, bound, product) for form in shape.form])


def _text(
    column: ColumnElement[Any], form: tuple[bool, ...], bound: Bound, product: SqlExpressions
) -> ColumnElement[bool]:
    """A pattern; its fixed beginning is written as a range too, which an index serves on every database."""
    if not form:
        return column == next(bound)
    tests = []
    if form[0]:
        tests.append(column >= next(bound))
    if form[1]:
        tests.append(column < next(bound))
    return and_(*tests, product.matches(column, next(bound)))


def _name(  # noqa: PLR0913, PLR0917 - what `_test` has, and the columns
    pk: ColumnElement[Any], level: Level, columns: Sequence[str], shape: Shape, bound: Bound, product: SqlExpressions
) -> ColumnElement[bool]:
    """Look rows up by a name, in whichever group it is: each column has an index, and a union uses them all."""

    def among(selected: Sequence[Select[Any]]) -> ColumnElement[bool]:
        return pk.in_(product.either(selected))

    forms = [
        [named(level, columns if group is None else [columns[group]], text, bound, product) for group, text in form]
        for form in shape.form
    ]
    if all(len(form) == 1 for form in forms):
        return among([selected for (one,) in forms for selected in one])
    return or_(*[and_(*[among(one) for one in form]) for form in forms])


def named(
    level: Level, columns: Sequence[str], form: tuple[bool, ...], bound: Bound, product: SqlExpressions
) -> list[Select[Any]]:
    """Select the rows that have a name, once for each of the columns."""
    parameters = [next(bound) for _ in range(1 + sum(form))]
    selected = []
    for column in columns:
        rows = LEVELS[level].alias()
        test = _text(rows.c[column], form, iter(parameters), product)
        selected.append(select(rows.c.pk).where(rows.c.tenant_fk == TENANT, rows.c[column].is_not(None), test))
    return selected


def _own_name(
    columns: Sequence[ColumnElement[Any]], shape: Shape, bound: Bound, product: SqlExpressions
) -> ColumnElement[bool]:
    """Test the names of a row that was found by something else."""
    alternatives = []
    for form in shape.form:
        tests = []
        for group, text in form:
            parameters = [next(bound) for _ in range(1 + sum(text))]
            of_groups = columns if group is None else [columns[group]]
            tests.append(or_(*[_text(column, text, iter(parameters), product) for column in of_groups]))
        alternatives.append(and_(*tests))
    return or_(*alternatives)


def _range(pairs: Sequence[tuple[str, ColumnElement[Any]]], shape: Shape, bound: Bound) -> ColumnElement[bool]:
    columns = [column for _, column in pairs]
    has_low, has_high = shape.form
    low = [next(bound) for _ in columns] if has_low else []
    high = [next(bound) for _ in columns] if has_high else []
    tests: list[ColumnElement[bool]] = []
    if low:
        tests.append(columns[0] >= low[0])
    elif pairs[0][0] == "study_date":
        tests.append(columns[0] > 0)  # 0 is no date
    if high:
        tests.append(columns[0] <= high[0])
    if len(columns) == 2:  # a date and a time as one point in time (PS3.18 8.3.4.1.1)
        if low:
            tests.append(or_(columns[0] > low[0], columns[1] >= low[1]))
        if high:
            tests.append(or_(columns[0] < high[0], columns[1] <= high[1]))
    return and_(*tests)
