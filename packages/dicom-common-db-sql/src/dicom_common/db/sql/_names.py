"""The beginnings of names: whether so many have it that looking them all up takes longer than walking by date.

A name is looked up by its index, and what is found is sorted by date: of "smith^an*" a few, of "s*" a tenth of all. The
other way is to walk through the studies by date and keep those with such a name: the page is full soon where many have
it. With M of T patients, a page of L costs about M steps the one way and L * T / M the other; they meet where M is the
root of L * T. So a search first counts the bearers up to there, which the index alone answers.

The words of names have no index: their bearers are counted, and looked up, by reading all names. For a rare name that
takes a tenth of what walking takes, and a name that many have is counted soon.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

from dicom_common.core import Level
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._shapes import Shape, Test, searched
from dicom_common.db.sql._statements import Statement

__all__ = ["Names"]


class Names:
    """The statements that count names, for one database product."""

    def __init__(self, dialect: SqlDialect) -> None:
        self._dialect = dialect
        self._counts: dict[Shape, tuple[Statement, Level] | None] = {}
        self._greatest: dict[Level, Statement] = {}
        self._size: dict[Level, int] = {}

    def many(self, session: Session, tenant: int, test: Test, page: int) -> bool:
        """Tell whether so many have a name that a page of that length is found sooner by walking."""
        found = self.counting(test)
        if found is None:
            return False
        statement, level = found
        parameters: dict[str, Any] = {"tenant": tenant}
        parameters |= {f"value_{at}": value for at, value in enumerate(test.values)}
        while True:
            size = self._size.get(level, 0)
            most = isqrt(page * size) + 1
            ((count,),) = statement.rows(session, parameters | {"most": most})
            if count < most:
                return False
            # So many of the rows that there were when it was last asked: there may be more by now. The greatest key
            # is about their number, of all tenants.
            ((now,),) = self._greatest[level].rows(session, {})
            if now <= size:
                return True
            self._size[level] = now

    def counting(self, test: Test) -> tuple[Statement, Level] | None:
        """Return what counts those whose name begins as a condition says, and whose name it is.

        None: the condition is of another sort.
        """
        if test.shape not in self._counts:
            self._counts[test.shape] = self._count_of(test)
        return self._counts[test.shape]

    def _count_of(self, test: Test) -> tuple[Statement, Level] | None:
        shape = test.shape
        if shape.kind != "words" and not _begins(shape):
            return None
        level = searched(shape.keywords[0]).level
        if level not in self._greatest:
            self._greatest[level] = Statement(self._dialect, "names.greatest", level)
        return Statement(self._dialect, "names.bearers", shape, len(test.values)), level


def _begins(shape: Shape) -> bool:
    """Tell whether a condition is on the beginning of one name."""
    if shape.kind != "name" or len(shape.form) != 1 or len(shape.form[0]) != 1:
        return False
    ((_, text),) = shape.form[0]
    return bool(text and text[0])
