"""The index on MySQL or MariaDB."""

from __future__ import annotations

from dicom_common.core import Backend, Database, hookimpl
from dicom_common.db.mysql._database import MysqlDatabase
from dicom_common.db.mysql._settings import Settings

__all__ = ["MysqlDatabase", "Settings", "dicom_common_db"]


@hookimpl
def dicom_common_db() -> Backend[Database]:
    """Offer the index."""
    return Backend("mysql", Settings, MysqlDatabase)
