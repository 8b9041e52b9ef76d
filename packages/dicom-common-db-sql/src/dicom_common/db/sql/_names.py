"""The beginnings of names: whether so many have it that looking them all up takes longer than walking by date.

A name is looked up by its index, and what is found is sorted by date: of "smith^an*" a few, of "s*" a tenth of all. The
other way is to walk through the studies by date and keep those with such a name: the page is full soon where many have
it. With M of T patients, a page of L costs about M steps the one way and L * T / M the other; they meet where M is the
root of L * T. So a search first counts the bearers up to there, which the index alone answers.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, select

from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._shapes import Shape, Test
from dicom_common.db.sql._statements import Statement
from dicom_common.db.sql._where import bearers

__all__ = ["Names"]


class Names:
    """The statements that count names, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        self._counts: dict[Shape, tuple[Statement, str] | None] = {}
        self._greatest: dict[str, Statement] = {}
        self._size: dict[str, int] = {}

    def many(self, session: Session, tenant: int, test: Test, page: int) -> bool:
        """Tell whether so many have a name that a page of that length is found sooner by walking."""
        if test.shape not in self._counts:
            self._counts[test.shape] = self._count_of(test)
        found = self._counts[test.shape]
        if found is None:
            return False
        statement, table = found
        parameters: dict[str, Any] = {"tenant": tenant}
        parameters |= {f"value_{at}": value for at, value in enumerate(test.values)}
        while True:
            size = self._size.get(table, 0)
            most = isqrt(page * size) + 1
            ((count,),) = statement.rows(session, parameters | {"most": most})
            if count < most:
                return False
            # So many of the rows that there were when it was last asked: there may be more by now. The greatest key
            # is about their number, of all tenants.
            ((now,),) = self._greatest[table].rows(session, {})
            if now <= size:
                return True
            self._size[table] = now

    def _count_of(self, test: Test) -> tuple[Statement, str] | None:
        bound: list[BindParameter[Any]] = [bindparam(f"value_{at}") for at in range(len(test.values))]
        counted = bearers(test.shape, bound, self._dialect)
        if counted is None:
            return None
        table, element = counted
        dialect = self._dialect
        if table.name not in self._greatest:
            self._greatest[table.name] = Statement(select(func.coalesce(func.max(table.c.pk), 0)), dialect)
        return Statement(element, dialect), table.name
