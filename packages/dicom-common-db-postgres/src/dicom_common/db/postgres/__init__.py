"""The index on a PostgreSQL server, for many writers on many machines."""

from __future__ import annotations

from dicom_common.core import Backend, Database, hookimpl
from dicom_common.db.postgres._database import PostgresDatabase
from dicom_common.db.postgres._settings import Settings

__all__ = ["PostgresDatabase", "Settings", "dicom_common_db"]


@hookimpl
def dicom_common_db() -> Backend[Database]:
    """Offer the index."""
    return Backend("postgres", Settings, PostgresDatabase)
