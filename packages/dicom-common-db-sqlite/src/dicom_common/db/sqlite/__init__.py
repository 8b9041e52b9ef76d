"""The index in an SQLite file: the embedded default of dicom-common."""

from __future__ import annotations

from dicom_common.core import Backend, Database, hookimpl
from dicom_common.db.sqlite._database import SqliteDatabase
from dicom_common.db.sqlite._settings import Settings

__all__ = ["Settings", "SqliteDatabase", "dicom_common_db"]


@hookimpl
def dicom_common_db() -> Backend[Database]:
    """Offer the index."""
    return Backend("sqlite", Settings, SqliteDatabase)
