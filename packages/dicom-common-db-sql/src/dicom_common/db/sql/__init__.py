"""The index on SQL: the schema, the statements and the migrations that the database plugins share.

A plugin fills in a `Flavour` (its connections, its errors, the expressions that it writes in its own way) and offers an
`SqlDatabase` on it. This package registers nothing.
"""

from dicom_common.db.sql._database import SqlDatabase
from dicom_common.db.sql._flavour import Flavour, GoneError, PassingError
from dicom_common.db.sql._pool import Driver, Pool
from dicom_common.db.sql._schema import metadata
from dicom_common.db.sql._server import ServerFlavour, ServerSettings
from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._statements import InsertRows, UpdateRows
from dicom_common.db.sql._types import COLLATIONS

__all__ = [
    "COLLATIONS",
    "Driver",
    "Flavour",
    "GoneError",
    "InsertRows",
    "PassingError",
    "Pool",
    "Row",
    "ServerFlavour",
    "ServerSettings",
    "Session",
    "SqlDatabase",
    "UpdateRows",
    "metadata",
]
