"""The column types: one place for what SQLite, PostgreSQL and MySQL need so that all compare text alike.

Text is compared by code point, upper and lower case apart: the order of UTF-8 bytes. An index then serves equality, the
fixed beginning of a wildcard, and the order of an answer.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Double, Integer, LargeBinary, SmallInteger, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

__all__ = ["MAX_KEY", "MAX_TEXT", "MAX_UID", "blob", "flag", "integer", "long_text", "number", "primary_key", "text"]

MAX_UID = 64
"""Characters of a UID (PS3.5 9.1)."""
MAX_TEXT = 255
"""Characters of any other text that the index keeps; more than any VR that is searched may have (PS3.5 6.2)."""
MAX_KEY = 1024
"""Bytes of a storage key."""


def text(length: int = MAX_TEXT) -> TypeEngine[str]:
    """Make a text type of a length in characters."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def long_text() -> TypeEngine[str]:
    """Make a text type without a limit that matters; it is not indexed."""
    return Text().with_variant(mysql.TEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


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
    return LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
