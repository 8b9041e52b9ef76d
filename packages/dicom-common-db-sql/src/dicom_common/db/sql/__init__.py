"""The index on SQL: the schema, the statements and the migrations that the database plugins share.

A plugin fills in a `SqlDialect` (its connections, its errors, the expressions that it writes in its own way) and offers
an `SqlDatabase` on it. This package registers nothing.
"""

from dicom_common.db.sql._database import SqlDatabase
from dicom_common.db.sql._dialect import GoneError, PassingError, SchemaTraits, SqlDialect
from dicom_common.db.sql._pool import Driver, Pool
from dicom_common.db.sql._schema import metadata
from dicom_common.db.sql._server import Port, ServerDialect, ServerSettings
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import InsertRows, UpdateRows, compiled_insert
from dicom_common.db.sql._types import COLLATIONS, text as text_type

__all__ = [
    "COLLATIONS",
    "Driver",
    "GoneError",
    "InsertRows",
    "PassingError",
    "Pool",
    "Port",
    "Row",
    "SchemaTraits",
    "ServerDialect",
    "ServerSettings",
    "Session",
    "SqlDatabase",
    "SqlDialect",
    "UpdateRows",
    "compiled_insert",
    "metadata",
    "text_type",
]
