"""The index on SQL: what runs the statements, the schema and the migrations that the database plugins share.

A plugin fills in a `SqlDialect` (its connections, its errors, how it takes values) and a `SqlExpressions` of
`dicom_common.db.sql.expressions` (what it writes in its own way), and offers an `SqlDatabase` on them. This module
imports no SQLAlchemy. `dicom_common.db.sql.server` has what the plugins for servers share. This package registers
nothing.
"""

from dicom_common.db.sql._database import SqlDatabase
from dicom_common.db.sql._dialect import GoneError, PassingError, SqlDialect
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import Insertion, InsertRows, UpdateRows
from dicom_common.db.sql._texts import Frozen, Texts
from dicom_common.db.sql._traits import SchemaTraits

__all__ = [
    "Frozen",
    "GoneError",
    "InsertRows",
    "Insertion",
    "PassingError",
    "Row",
    "SchemaTraits",
    "Session",
    "SqlDatabase",
    "SqlDialect",
    "Texts",
    "UpdateRows",
]
