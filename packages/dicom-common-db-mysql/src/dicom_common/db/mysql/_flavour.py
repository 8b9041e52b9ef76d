"""What MySQL and MariaDB do in their own way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    SelectBase,
    Table,
    TableValuedAlias,
    collate,
    exists,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.engine import make_url

from dicom_common.core import Health
from dicom_common.db.mysql._driver import MysqlDriver
from dicom_common.db.mysql._health import health
from dicom_common.db.mysql._keys import KeyBlocks
from dicom_common.db.mysql._settings import Settings
from dicom_common.db.mysql._updates import update_rows
from dicom_common.db.sql import COLLATIONS, Pool, ServerFlavour, Session

__all__ = ["MysqlFlavour"]

_ESCAPE = "|"
"""Not a backslash, which means something in literals as well, or does not: as the server is set."""
_ALONE, _TOGETHER = "SELECT pk FROM guard FOR UPDATE", "SELECT pk FROM guard LOCK IN SHARE MODE"


class MysqlFlavour(ServerFlavour):
    """MySQL 8 or MariaDB 10.6: LIKE with an escape of our own, JSON_TABLE for lists, blocks of keys."""

    def __init__(self, settings: Settings) -> None:
        self._driver = driver = MysqlDriver(settings)
        driver.find_product()
        self.where = driver.where
        self.dialect = make_url(driver.url).get_dialect()()
        pool = Pool(driver, size=settings.pool_size, timeout=settings.connect_timeout)
        super().__init__(pool, patience=settings.retry_timeout)
        # Of its own: who waits here holds a connection of the pool, and all of them might wait.
        self._key_pool = Pool(driver, size=1, timeout=settings.lock_timeout)
        self._keys = KeyBlocks(self._key_pool.reading)

    def has_table(self, session: Session, name: str) -> bool:
        """See `Flavour.has_table`."""
        asked = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
        return bool(session.rows(asked, (name,)))

    def allocate(self, session: Session, table: Table, count: int) -> Sequence[int]:  # noqa: ARG002 - see KeyBlocks
        """See `Flavour.allocate`."""
        return self._keys.take(table.name, count)

    def updater(
        self, table: Table, names: Sequence[str], *, plus: bool = False
    ) -> Callable[[Session, Sequence[Sequence[Any]]], None]:
        """See `Flavour.updater`."""
        return update_rows(self.dialect, table, names, plus=plus)

    def guard(self, session: Session, *, exclusive: bool) -> None:
        """See `Flavour.guard`: the lock on the row of a table that has just one."""
        session.rows(_ALONE if exclusive else _TOGETHER, ())

    def matches(self, column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
        """See `Flavour.matches`; the columns' collation tells upper from lower case."""
        return column.like(pattern, escape=_ESCAPE)

    def neutral(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """See `Flavour.neutral`: the planner has statistics, but does not think of the page's limit."""
        return func.coalesce(column)

    def either(self, selects: Sequence[Select[Any]]) -> SelectBase:
        """See `Flavour.either`: as a table, which is made once. A union as such is asked anew for each row."""
        return selects[0] if len(selects) == 1 else select(union_all(*selects).subquery().c.pk)

    def pattern(self, pattern: str) -> str:
        """See `Flavour.pattern`."""
        for character in (_ESCAPE, "%", "_"):  # the escape first: what comes after it is not to be escaped again
            pattern = pattern.replace(character, _ESCAPE + character)
        return pattern.replace("*", "%").replace("?", "_")

    def many(self, texts: Sequence[str]) -> str:
        """See `Flavour.many`: a JSON array. MariaDB has another plan for a long list of literals."""
        return json.dumps(texts)

    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """See `Flavour.among`."""
        return column.in_(select(self._text_of(_items(texts))))

    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """See `Flavour.any_item`."""
        return exists().select_from(items := _items(column)).where(test(self._text_of(items)))

    def _text_of(self, items: TableValuedAlias) -> ColumnElement[str]:
        return collate(items.c.value, COLLATIONS[self.dialect.name])

    def health(self) -> Health:
        """See `Database.check`."""
        return health(self._pool, self._driver)

    def close(self) -> None:
        """See `Flavour.close`."""
        self._key_pool.close()
        super().close()


def _items(array: ColumnElement[Any]) -> TableValuedAlias:
    columns: ColumnElement[str] = literal_column("'$[*]' COLUMNS (value VARCHAR(255) CHARACTER SET utf8mb4 PATH '$')")
    return func.json_table(array, columns).table_valued("value")
