"""The SQL of statements by their names: frozen by the plugin, or compiled when it is first asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_common.core import ATTRIBUTES
from dicom_common.db.sql._sql import Sql
from dicom_common.db.sql._versions import HEAD

if TYPE_CHECKING:
    from dicom_common.db.sql.expressions._product import SqlExpressions

__all__ = ["END", "SCHEMA", "Frozen", "Texts", "end"]

SCHEMA = "schema"
"""The name of the script that makes the schema."""
END = "end"
"""The name of the last line: the tables that the SQL was compiled for."""


class Frozen:
    """What was compiled before, by name: a line of a file each, which is read when it is asked for.

    Args:
        lines: the name of each, and what it is as JSON.
    """

    def __init__(self, lines: Mapping[str, str] | None = None) -> None:
        self._lines = lines or {}

    @classmethod
    def from_file(cls, file: Path) -> Frozen:
        """Read a file that `dicom_common.db.sql.testing.frozen_sql` has written.

        Nothing is frozen where the file is absent or cut short, or was made for other tables than those of this code:
        packages are installed one by one, and each has its own version.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            return cls()
        lines = {name: line for name, _, line in [line.partition("\t") for line in text.splitlines()]}
        return cls(lines if lines.get(END) == end() else None)

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
        self.used: dict[str, Sql] | None = None
        """What was asked for since this was set. Not kept otherwise: searches have any number of shapes."""

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
            from dicom_common.db.sql.expressions import compiled  # noqa: PLC0415 - and with it SQLAlchemy

            found = compiled(self.product, name, arguments, among)
        if self.used is not None:
            self.used[key] = found
        return found


def end() -> str:
    """Return what stands in the last line of a file that is whole and made for the tables of this code."""
    attributes = [[one.keyword, one.vr, one.level.name, one.field, one.multiple] for one in ATTRIBUTES]
    return hashlib.sha256(json.dumps([HEAD, attributes]).encode()).hexdigest()


def _written(argument: Any) -> str:
    """Write an argument into a name: the same on every version of Python."""
    if isinstance(argument, Enum):
        return argument.name
    if isinstance(argument, tuple | list):
        return f"({', '.join(map(_written, argument))})"
    return repr(argument)
