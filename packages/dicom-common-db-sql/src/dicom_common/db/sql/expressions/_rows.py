"""Writing rows of any table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert, Select, Update, bindparam, insert as into, select, update as change

from dicom_common.db.sql.expressions._product import SqlExpressions
from dicom_common.db.sql.expressions._tables import metadata

__all__ = ["insert", "insert_new", "there", "update"]


def insert(_: SqlExpressions, table: str, names: Sequence[str]) -> Insert:
    """Insert a row: the named columns, or all."""
    made = metadata.tables[table]
    return into(made).values({name: bindparam(name) for name in names or made.columns.keys()})


def insert_new(product: SqlExpressions, table: str) -> Insert:
    """Insert a row, unless one with its primary key is there."""
    return product.insert_new(metadata.tables[table])


def there(_: SqlExpressions, table: str) -> Select[tuple[object, ...]]:
    """Look a row up by its primary key."""
    key = list(metadata.tables[table].primary_key)
    return select(*key).where(*(column == bindparam(column.name) for column in key))


def update(_: SqlExpressions, table: str, names: Sequence[str], plus: Sequence[str]) -> Update:
    """Set the named columns of the row `:at`, and add to those of `plus`."""
    c = metadata.tables[table].c
    values: dict[str, Any] = {name: bindparam(name) for name in names} | {
        name: c[name] + bindparam(name) for name in plus
    }
    return change(metadata.tables[table]).where(c.pk == bindparam("at")).values(values)
