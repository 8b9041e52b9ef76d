"""Searches: one compiled statement for each shape of query, and the rows as answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from sqlalchemy import FromClause, Select, UnaryExpression, bindparam, func, literal_column, select, union_all

from dicom_common.core import ATTRIBUTES, Found, Level, Like, Query, Value
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._leading import leading, levels_of
from dicom_common.db.sql._names import Names
from dicom_common.db.sql._schema import LEVELS, instance, patient, series, series_class, study, study_modality
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._shapes import Test, of_one_item, take_apart
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sql._values import from_column
from dicom_common.db.sql._where import TENANT, where

__all__ = ["ORDER", "Search"]

_COUNTS = (
    ("NumberOfPatientRelatedStudies", patient.c.studies, Level.PATIENT),
    ("NumberOfPatientRelatedSeries", patient.c.series, Level.PATIENT),
    ("NumberOfPatientRelatedInstances", patient.c.instances, Level.PATIENT),
    ("NumberOfStudyRelatedSeries", study.c.series, Level.STUDY),
    ("NumberOfStudyRelatedInstances", study.c.instances, Level.STUDY),
    ("NumberOfSeriesRelatedInstances", series.c.instances, Level.SERIES),
)
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
_KEPT_PLANS = 512
_MODALITIES, _CLASSES = "ModalitiesInStudy", "SOPClassesInStudy"


class _Reader(NamedTuple):
    """How a row of a level is read: `keywords` in the order of the columns, behind them the study's surrogate key."""

    columns: list[Any]
    keywords: list[str]
    convert: list[tuple[int, Callable[[Any], Value]]]
    """What makes a value of a column that is not NULL; NULL is None, or () where there may be several values."""
    several: list[int]


def _reader(level: Level) -> _Reader:
    attributes = [a for a in ATTRIBUTES if a.level <= level]
    counts = [(name, column) for name, column, at in _COUNTS if at <= level]
    columns = [LEVELS[a.level].c[a.field] for a in attributes] + [column for _, column in counts]
    convert = [(at, made) for at, a in enumerate(attributes) if (made := from_column(a)) is not None]
    key = [study.c.pk] if level >= Level.STUDY else []
    several = [at for at, a in enumerate(attributes) if a.multiple]
    return _Reader([*columns, *key], [a.keyword for a in attributes] + [name for name, _ in counts], convert, several)


_READERS = {level: _reader(level) for level in Level}


class Search:
    """The searches of one database."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        self._plans: dict[tuple[Any, ...], Statement] = {}
        self._names = Names(dialect)
        # One question for both: on a server, going there and back takes longer than the answer.
        self._children = Lookup(
            dialect,
            lambda among: union_all(
                select(study_modality.c.study_fk, study_modality.c.modality, literal_column("0")).where(
                    among(study_modality.c.study_fk)
                ),
                select(series.c.study_fk, series_class.c.sop_class_uid, literal_column("1"))
                .distinct()
                .select_from(series.join(series_class))
                .where(among(series.c.study_fk)),
            ),
        )

    def find(self, session: Session, tenant: int, query: Query) -> list[Found]:
        """See `Database.find`."""
        statement, parameters = self.plan(tenant, query, common=self._common(session, tenant, query))
        rows = statement.rows(session, parameters)
        # Both statements first, and then the answers: a server that waits for the second one goes to sleep meanwhile.
        children = self._computed(session, rows) if query.level >= Level.STUDY else {}
        found = _answers(_READERS[query.level], rows)
        if children:
            for row, answer in zip(rows, found, strict=True):
                answer[_MODALITIES], answer[_CLASSES] = children[row[-1]]
        return found  # type: ignore[return-value]  # a dict of values is a mapping of values

    def count(self, session: Session, tenant: int, query: Query) -> int:
        """See `Database.count`."""
        statement, parameters = self.plan(tenant, query, count=True)
        return int(statement.rows(session, parameters)[0][0])

    def _common(self, session: Session, tenant: int, query: Query) -> tuple[int, ...]:
        """Return the number of the condition that would lead, if it is the beginning of a name that many have."""
        if query.limit is None or not any(isinstance(condition, Like) for condition in query.conditions):
            return ()
        tests = self._tests(query)
        leader, _ = leading([test.shape for test in tests], query.level, whole=False)
        if leader is None or tests[leader].shape.kind != "name" or levels_of(tests[leader].shape) > query.level:
            return ()
        is_common = self._names.many(session, tenant, tests[leader], query.limit + query.offset)
        return (leader,) if is_common else ()

    def _tests(self, query: Query) -> list[Test]:
        parts = (take_apart(condition, self._dialect) for condition in query.conditions)
        return of_one_item([test for test in parts if test is not None])

    def plan(
        self, tenant: int, query: Query, *, count: bool = False, common: tuple[int, ...] = ()
    ) -> tuple[Statement, dict[str, Any]]:
        """Return the statement of a query, and its parameters; conditions that are `common` do not lead."""
        tests = self._tests(query)
        bounded = not count and query.limit is not None
        shifted = not count and query.offset > 0
        key = (query.level, count, bounded, shifted, common, *(test.shape for test in tests))
        statement = self._plans.get(key)
        if statement is None:
            if len(self._plans) >= _KEPT_PLANS:
                self._plans.clear()
            element = self._select(tests, query.level, count=count, whole=not bounded, common=common)
            if bounded:
                element = element.limit(bindparam("limit"))
            if shifted:
                element = element.offset(bindparam("offset"))
            statement = self._plans[key] = Statement(element, self._dialect)
        parameters: dict[str, Any] = {"tenant": tenant, "limit": query.limit, "offset": query.offset}
        for number, test in enumerate(tests):
            parameters |= {f"value_{number}_{at}": value for at, value in enumerate(test.values)}
        return statement, parameters

    def _select(
        self, tests: Sequence[Test], level: Level, *, count: bool, whole: bool, common: tuple[int, ...]
    ) -> Select[Any]:
        shapes = [test.shape for test in tests]
        leader, by_modality = leading(shapes, level, whole=whole, common=common)
        conditions = [
            where(
                test.shape,
                [bindparam(f"value_{number}_{at}") for at in range(len(test.values))],
                level,
                self._dialect,
                leads=number == leader,
                by_modality=by_modality,
            )
            for number, test in enumerate(tests)
        ]
        top = min([level, *(levels_of(shape) for shape in shapes)]) if count else Level.PATIENT
        # Without a leader, rows are met in order: by the index on the studies' dates, or on the patients.
        first = level if count else min(level, Level.STUDY)
        if leader is None:
            conditions.append(LEVELS[first].c.tenant_fk == TENANT)
        else:
            conditions.append(self._dialect.neutral(LEVELS[level].c.tenant_fk) == TENANT)
        if count:
            return select(func.count()).select_from(_joined(top, level, by_modality=by_modality)).where(*conditions)
        order = ORDER[level]
        if by_modality:
            order = (study_modality.c.study_date.desc(), study_modality.c.study_uid, *order[2:])
        elif leader is not None and shapes[leader].keywords[0] != "StudyDate":
            order = self._unordered(order)  # the leader's index, and a sort of the few that it finds
        joined = _joined(top, level, by_modality=by_modality)
        return select(*_READERS[level].columns).select_from(joined).where(*conditions).order_by(*order)

    def _unordered(self, order: Sequence[Any]) -> tuple[Any, ...]:
        neutral = self._dialect.neutral
        # A descending column is a unary expression around the column.
        return tuple([neutral(c.element).desc() if isinstance(c, UnaryExpression) else neutral(c) for c in order])

    def _computed(self, session: Session, rows: Sequence[Row]) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return what is computed from the studies' children, by study: one statement for all rows."""
        found: dict[int, tuple[list[str], list[str]]] = {row[-1]: ([], []) for row in rows}
        for pk, value, which in self._children.rows(session, found):
            found[pk][which].append(value)
        return {pk: (tuple(sorted(first)), tuple(sorted(second))) for pk, (first, second) in found.items()}


def _answers(reader: _Reader, rows: Sequence[Row]) -> list[dict[str, Value]]:
    # Column by column: row by row, a loop over the columns of each took longer than a server takes to find them all.
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    if not columns:
        return []
    for position, convert in reader.convert:
        columns[position] = [None if value is None else convert(value) for value in columns[position]]
    for position in reader.several:
        columns[position] = [value or () for value in columns[position]]
    # Behind the keywords stands the study's surrogate key.
    return list(map(dict, map(zip, repeat(reader.keywords), zip(*columns, strict=True))))


def _joined(top: Level, level: Level, *, by_modality: bool) -> FromClause:
    joined: FromClause = LEVELS[top]
    for lower in range(top + 1, level + 1):
        joined = joined.join(LEVELS[Level(lower)], _LINKS[Level(lower)])
    return joined.join(study_modality, study_modality.c.study_fk == study.c.pk) if by_modality else joined


_LINKS = {
    Level.STUDY: study.c.patient_fk == patient.c.pk,
    Level.SERIES: series.c.study_fk == study.c.pk,
    Level.INSTANCE: instance.c.series_fk == series.c.pk,
}
