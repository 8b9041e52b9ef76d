"""What changes of the schema have to know of a database product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["SchemaTraits"]


def _nothing(_: Connection) -> None:
    """Make nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaTraits:
    """What migrations have to know of a product."""

    alters_tables: bool = True
    """Whether a constraint of a table can be changed; else a migration copies the table."""
    script: Sequence[str] = ()
    """The frozen statements that make the newest schema in an empty database, of a product that needs nothing but the
    tables and undoes a transaction whole; without them, the migrations are run."""
    table_options: Mapping[str, str] = field(default_factory=dict)
    """What tables are made with, whatever the server's defaults are: options of SQLAlchemy without the prefix."""
    make_own: Callable[[Connection], None] = _nothing
    """Makes what only this product needs beside the tables, such as sequences: a part of the first migration, so that
    what it made is changed by later ones only. It is run again after a crash, and looks first whether it was done."""
