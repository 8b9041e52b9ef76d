"""The SQL of statements by their names: frozen by the plugin, or compiled when it is first asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dicom_common.db.sql.expressions._product import SqlExpressions

__all__ = ["SCHEMA", "VALUES", "Frozen", "Sql", "Texts"]

SCHEMA = "schema"
"""The name of the script that makes the schema."""
VALUES = ":values"
"""Stands in the SQL of a look-up for its list of values."""


class Sql(NamedTuple):
    """What is run of a statement."""

    text: str
    order: tuple[str, ...]
    """The names of its parameters, in the order in which they are bound."""
    fixed: Mapping[str, Any]
    """The values that the statement itself has."""


class Frozen:
    """What was compiled before, by name: a line of a file each, which is read when it is asked for.

    Args:
        lines: the name of each, and what it is as JSON.
    """

    def __init__(self, lines: Mapping[str, str] | None = None) -> None:
        self._lines = lines or {}

    @classmethod
    def from_file(cls, file: Path) -> Frozen:
        """Read a file that `dicom_common.db.sql.testing.frozen_sql` has written."""
        lines = file.read_text(encoding="utf-8").splitlines()
        return cls({name: line for name, _, line in [line.partition("\t") for line in lines]})

    @property
    def schema(self) -> Sequence[str]:
        """The statements that make the newest schema in an empty database."""
        made: Sequence[str] = json.loads(self._lines.get(SCHEMA, "[]"))
        return made

    def sql(self, name: str) -> Sql | None:
        """Return the SQL of a statement, if it is frozen."""
        line = self._lines.get(name)
        if line is None:
            return None
        text, order, fixed = json.loads(line)
        return Sql(text, tuple(order), fixed)


class Texts:
    """The SQL of the statements of one database product.

    Args:
        make: makes the expressions of the product; called when a statement is asked for that is not frozen.
        frozen: what was compiled before.
    """

    def __init__(self, make: Callable[[], SqlExpressions], frozen: Frozen | None = None) -> None:
        self._make, self._frozen = make, frozen or Frozen()
        self._product: SqlExpressions | None = None
        self.used: dict[str, Sql] = {}
        """What was asked for so far."""

    @property
    def product(self) -> SqlExpressions:
        """The expressions of the product."""
        if self._product is None:
            self._product = self._make()
        return self._product

    def sql(self, name: str, arguments: Sequence[Any], among: str) -> Sql:
        """Return the SQL of a statement; see `expressions.compiled` for the arguments."""
        key = name + _written(arguments) if arguments else name
        found = self._frozen.sql(key)
        if found is None:
            expressions = import_module("dicom_common.db.sql.expressions")  # and with it SQLAlchemy
            found = expressions.compiled(self.product, name, arguments, among)
        self.used[key] = found
        return found


def _written(argument: Any) -> str:
    """Write an argument into a name: the same on every version of Python."""
    if isinstance(argument, Enum):
        return argument.name
    if isinstance(argument, tuple | list):
        return f"({', '.join(map(_written, argument))})"
    return repr(argument)
