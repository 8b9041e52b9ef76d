"""Searches: one compiled statement for each shape of query, and the rows as answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dicom_common.core import Fuzzy, Level, Like, Match, Query
from dicom_common.db.sql._answers import answers, reader
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._leading import leading, levels_of
from dicom_common.db.sql._names import Names
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._shapes import Test, of_one_item, take_apart
from dicom_common.db.sql._statements import Lookup, Statement

__all__ = ["Search"]

_KEPT_PLANS = 512
_MODALITIES, _CLASSES = "ModalitiesInStudy", "SOPClassesInStudy"


class Search:
    """The searches of one database."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        self._plans: dict[tuple[Any, ...], Statement] = {}
        self.names = Names(dialect)
        self._children = {
            (True, True): Lookup(dialect, "find.children"),
            (True, False): Lookup(dialect, "find.modalities"),
            (False, True): Lookup(dialect, "find.classes"),
        }

    def find(self, session: Session, tenant: int, query: Query) -> list[Match]:
        """See `Database.find`."""
        asked = None if query.fields is None else frozenset(query.fields)
        reads = reader(query.level, asked)
        statement, parameters = self.plan(
            tenant, query, common=self._common(session, tenant, query), chosen=reads.chosen
        )
        rows = statement.rows(session, parameters)
        # Both statements first, and then the answers: a server that waits for the second one goes to sleep meanwhile.
        computed = [
            query.level >= Level.STUDY and (asked is None or keyword in asked) for keyword in (_MODALITIES, _CLASSES)
        ]
        children = self._computed(session, rows, computed) if any(computed) else {}
        found = answers(reads, rows)
        for which, keyword in enumerate((_MODALITIES, _CLASSES)):
            if computed[which]:
                for row, answer in zip(rows, found, strict=True):
                    answer[keyword] = children[row[-1]][which]
        return found  # type: ignore[return-value]  # a dict of values is a mapping of values

    def count(self, session: Session, tenant: int, query: Query) -> int:
        """See `Database.count`."""
        statement, parameters = self.plan(tenant, query, count=True)
        return int(statement.rows(session, parameters)[0][0])

    def _common(self, session: Session, tenant: int, query: Query) -> tuple[int, ...]:
        """Return the number of the condition that would lead, if it is the beginning of a name that many have."""
        leader = self.leading_name(query)
        if leader is None or query.limit is None:
            return ()
        number, test = leader
        return (number,) if self.names.many(session, tenant, test, query.limit + query.offset) else ()

    def leading_name(self, query: Query) -> tuple[int, Test] | None:
        """Return the condition that would lead to a page, and its number, if it is on a name."""
        if query.limit is None or not any(isinstance(condition, Like | Fuzzy) for condition in query.conditions):
            return None
        tests = self._tests(query)
        leader, _ = leading([test.shape for test in tests], query.level, whole=False)
        if leader is None or tests[leader].shape.kind not in ("name", "words"):
            return None
        if levels_of(tests[leader].shape) > query.level:
            return None
        return leader, tests[leader]

    def _tests(self, query: Query) -> list[Test]:
        parts = (take_apart(condition, self._dialect) for condition in query.conditions)
        return of_one_item([test for test in parts if test is not None])

    def plan(
        self,
        tenant: int,
        query: Query,
        *,
        count: bool = False,
        common: tuple[int, ...] = (),
        chosen: tuple[int, ...] | None = None,
    ) -> tuple[Statement, dict[str, Any]]:
        """Return the statement of a query, and its parameters.

        Args:
            tenant: whose rows.
            query: what is asked.
            count: only count them.
            common: the numbers of the conditions that do not lead.
            chosen: the positions of the columns that are read; None: all.
        """
        tests = self._tests(query)
        bounded = not count and query.limit is not None
        shifted = not count and query.offset > 0
        shapes = tuple([test.shape for test in tests])
        key = (query.level, count, bounded, shifted, common, shapes)
        statement = self._plans.get(key)
        if statement is None:
            arguments = (query.level, count, bounded, shifted, common, shapes, tuple([len(t.values) for t in tests]))
            statement = self._keep(key, Statement(self._dialect, "find.search", *arguments))
        if chosen is not None:
            statement = self._narrowed(statement, (*key, chosen), chosen)
        parameters: dict[str, Any] = {"tenant": tenant, "limit": query.limit, "offset": query.offset}
        for number, test in enumerate(tests):
            parameters |= {f"value_{number}_{at}": value for at, value in enumerate(test.values)}
        return statement, parameters

    def _narrowed(self, statement: Statement, key: tuple[Any, ...], chosen: tuple[int, ...]) -> Statement:
        """Return a statement that reads some of the columns."""
        found = self._plans.get(key)
        if found is None:
            found = self._keep(key, Statement(self._dialect, ""))
            found.sql = statement.sql.of_columns(chosen)
        return found

    def _keep(self, key: tuple[Any, ...], statement: Statement) -> Statement:
        if len(self._plans) >= _KEPT_PLANS:
            self._plans.clear()
        self._plans[key] = statement
        return statement

    def _computed(
        self, session: Session, rows: Sequence[Row], computed: Sequence[bool]
    ) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return what is computed from the studies' children, by study: one statement for all rows."""
        found: dict[int, tuple[list[str], list[str]]] = {row[-1]: ([], []) for row in rows}
        for pk, value, which in self._children[computed[0], computed[1]].rows(session, found):
            found[pk][which].append(value)
        return {pk: (tuple(sorted(first)), tuple(sorted(second))) for pk, (first, second) in found.items()}
