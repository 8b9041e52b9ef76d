"""The column types: one place for what SQLite, PostgreSQL and MySQL need so that all compare text alike.

Text is compared by code point, upper and lower case apart: the order of UTF-8 bytes. An index then serves equality, the
fixed beginning of a wildcard, and the order of an answer.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Double,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    func,
    literal_column,
)
from sqlalchemy.types import VARBINARY, VARCHAR, TypeDecorator, TypeEngine

from dicom_common.db.sql._columns import MAX_KEY, MAX_TEXT

__all__ = [
    "COLLATIONS",
    "blob",
    "flag",
    "integer",
    "key_text",
    "long_text",
    "number",
    "primary_key",
    "text",
]

COLLATIONS = {"mysql": "utf8mb4_0900_bin", "mariadb": "utf8mb4_nopad_bin"}
"""By the name of the dialect: text by code point. (Under utf8mb4_bin, spaces at the end do not count: two Patient IDs
would be one.)"""


class _Varchar(VARCHAR):
    """VARCHAR as MySQL compiles it; its own class would import the whole dialect, also where SQLite is used."""

    charset = "utf8mb4"


class _MediumText(Text):
    """MEDIUMTEXT, likewise."""

    __visit_name__ = "MEDIUMTEXT"
    charset = "utf8mb4"


class _LongBlob(LargeBinary):
    """LONGBLOB, likewise."""

    __visit_name__ = "LONGBLOB"


def text(length: int = MAX_TEXT) -> TypeEngine[str]:
    """Make a text type of a length in characters."""
    made = _portable(length)
    for name, collation in COLLATIONS.items():
        made = made.with_variant(_Varchar(length, collation=collation), name)
    return made


def key_text() -> TypeEngine[str]:
    """Make the type of a storage key: of a length in bytes, so that an index of MySQL (3,072 bytes) holds it whole."""
    return _portable(MAX_KEY).with_variant(_KeyBytes(MAX_KEY), *COLLATIONS)


def _portable(length: int) -> String:
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class _KeyBytes(TypeDecorator[str]):
    """Text that MySQL keeps and compares as its bytes, and gives back as text."""

    impl = VARBINARY
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's
        """See SQLAlchemy: what a migration binds. Sessions bind what the driver takes."""
        return None if value is None else value.encode()

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """See SQLAlchemy: what stands in a list of selected columns, and nowhere else."""
        return func.convert(column.op("USING")(literal_column("utf8mb4")))


def long_text() -> TypeEngine[str]:
    """Make a text type without a limit that matters; it is not indexed."""
    made: TypeEngine[str] = Text()
    for name, collation in COLLATIONS.items():
        made = made.with_variant(_MediumText(collation=collation), name)
    return made


def integer() -> TypeEngine[int]:
    """Make a 64-bit integer type."""
    return BigInteger()


def primary_key() -> TypeEngine[int]:
    """Make the type of a surrogate key; SQLite's row id is an INTEGER by that very name."""
    return BigInteger().with_variant(Integer(), "sqlite")


def flag() -> TypeEngine[int]:
    """Make a type of 0 and 1 that sorts alike everywhere."""
    return SmallInteger()


def number() -> TypeEngine[float]:
    """Make a double precision type."""
    return Double()


def blob() -> TypeEngine[bytes]:
    """Make a type of bytes without a limit that matters."""
    return LargeBinary().with_variant(_LongBlob(), *COLLATIONS)
