"""The schema of an empty database, made at once."""

from __future__ import annotations

from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session

__all__ = ["create"]


def create(session: Session, dialect: SqlDialect) -> bool:
    """Run the frozen script of a product; False: the database has one of the tables."""
    script = dialect.schema.script
    tables = [words[2] for words in map(str.split, script) if words[:2] == ["CREATE", "TABLE"]]
    if any(dialect.has_table(session, name) for name in tables):
        return False
    for statement in script:
        session.run(statement, ())
    return True
