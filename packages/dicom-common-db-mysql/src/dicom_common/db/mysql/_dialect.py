"""What MySQL and MariaDB do in their own way."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, inspect
from sqlalchemy.schema import CreateTable

from dicom_common.core import Health
from dicom_common.db.mysql._driver import MysqlDriver
from dicom_common.db.mysql._expressions import ESCAPE, MysqlExpressions
from dicom_common.db.mysql._health import health
from dicom_common.db.mysql._session import update_rows
from dicom_common.db.mysql._settings import Settings
from dicom_common.db.sql import Insertion, InsertRows, SchemaTraits, Session, Texts
from dicom_common.db.sql.expressions import text_type
from dicom_common.db.sql.server import Pool, ServerDialect

__all__ = ["KeyBlocks", "MysqlDialect"]

_LEAST = 256
_AHEAD = 8
"""How many times what is asked for is reserved: each reservation waits for the server's disk."""


class KeyBlocks:
    """The keys that this process may give out: it reserves blocks of them, since MySQL has no sequences.

    A block is reserved on a connection of its own, at once and for good. In the transaction that needs the keys, the
    row of the counter would be locked until that ends, and all writers would wait for each other. What a process has
    reserved and not used when it ends is lost; there are 2**63 keys.

    Args:
        lend: lends a connection outside of any transaction.
    """

    def __init__(self, lend: Callable[[], AbstractContextManager[Session]]) -> None:
        self._lend = lend
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._blocks: dict[str, range] = {}

    def take(self, table: str, count: int) -> Sequence[int]:
        """Return keys of a table, in ascending order."""
        if self._process != os.getpid():
            self._begin()  # after a fork: what was reserved is the parent's
        with self._lock:
            left = self._blocks.get(table, range(0))
            if len(left) >= count:
                self._blocks[table] = left[count:]
                return left[:count]
            missing = count - len(left)
            block = self._reserve(table, max(missing * _AHEAD, _LEAST))
            self._blocks[table] = block[missing:]
            return [*left, *block[:missing]]

    def _reserve(self, table: str, count: int) -> range:
        with self._lend() as session:
            taken = (count, table)
            while not session.run("UPDATE key_block SET last = LAST_INSERT_ID(last + %s) WHERE name = %s", taken):
                # Also where the counter is lost and the rows are not: a dump that was put back in part.
                session.run(
                    f"INSERT IGNORE INTO key_block (name, last) SELECT %s, coalesce(max(pk), 0) FROM {table}",  # noqa: S608 - a table of ours
                    (table,),
                )
            ((last,),) = session.rows("SELECT LAST_INSERT_ID()", ())
        return range(last - count + 1, last + 1)


_TABLE_OPTIONS = {"engine": "InnoDB", "row_format": "DYNAMIC"}
"""Else a text of 255 characters might be too long for an index."""
_KEY_BLOCK = Table(
    "key_block",
    MetaData(),
    Column("name", text_type(63), primary_key=True),
    Column("last", BigInteger(), nullable=False),
)
_ALONE, _TOGETHER = "SELECT pk FROM guard FOR UPDATE", "SELECT pk FROM guard LOCK IN SHARE MODE"


def _make_own(connection: Connection) -> None:
    """Make the counters of the keys, since MySQL has no sequences; see `SchemaTraits.make_own`."""
    if not inspect(connection).has_table(_KEY_BLOCK.name):
        options = {f"{connection.dialect.name}_{name}": value for name, value in _TABLE_OPTIONS.items()}
        _KEY_BLOCK.dialect_kwargs.update(options)
        connection.execute(CreateTable(_KEY_BLOCK))


class MysqlDialect(ServerDialect):
    """MySQL 8 or MariaDB 10.6: blocks of keys, and a row of a table for guards."""

    placeholder = "%s"
    schema = SchemaTraits(table_options=_TABLE_OPTIONS, make_own=_make_own)

    def __init__(self, settings: Settings) -> None:
        self._driver = driver = MysqlDriver(settings)
        driver.find_product()
        self.where = driver.where
        self.texts = Texts(partial(MysqlExpressions, driver.url))
        pool = Pool(driver, size=settings.pool_size, timeout=settings.connect_timeout)
        super().__init__(pool, retry_timeout=settings.retry_timeout)
        # Of its own: who waits here holds a connection of the pool, and all of them might wait.
        self._key_pool = Pool(driver, size=1, timeout=settings.lock_timeout)
        self._keys = KeyBlocks(self._key_pool.reading)

    def has_table(self, session: Session, name: str) -> bool:
        """See `SqlDialect.has_table`."""
        asked = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
        return bool(session.rows(asked, (name,)))

    def allocate(self, session: Session, table: str, count: int) -> Sequence[int]:  # noqa: ARG002 - see KeyBlocks
        """See `SqlDialect.allocate`."""
        return self._keys.take(table, count)

    def updater(
        self, table: str, names: Sequence[str], *, plus: Sequence[str] = ()
    ) -> Callable[[Session, Sequence[Sequence[Any]]], None]:
        """See `SqlDialect.updater`."""
        return update_rows(self.texts.product.sqlalchemy, table, names, plus)

    def insert_new(self, table: str) -> InsertRows:
        """See `SqlDialect.insert_new`."""
        return Insertion(self, table, expression="insert_new")

    def guard(self, session: Session, *, exclusive: bool) -> None:
        """See `SqlDialect.guard`: the lock on the row of a table that has just one."""
        session.rows(_ALONE if exclusive else _TOGETHER, ())

    def pattern(self, pattern: str) -> str:
        """See `SqlDialect.pattern`."""
        for character in (ESCAPE, "%", "_"):  # the escape first: what comes after it is not to be escaped again
            pattern = pattern.replace(character, ESCAPE + character)
        return pattern.replace("*", "%").replace("?", "_")

    def many(self, texts: Sequence[str]) -> str:
        """See `SqlDialect.many`: a JSON array. MariaDB has another plan for a long list of literals."""
        return json.dumps(texts)

    def health(self) -> Health:
        """See `Database.check`."""
        return health(self._pool, self._driver)

    def close(self) -> None:
        """See `SqlDialect.close`."""
        self._key_pool.close()
        super().close()
