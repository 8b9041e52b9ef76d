"""An index for dicom-common in a DuckDB file."""

from __future__ import annotations

from acme_duckdb._database import DuckDatabase
from acme_duckdb._file import Settings
from dicom_common.core import Backend, Database, hookimpl

__all__ = ["DuckDatabase", "Settings", "dicom_common_db"]


@hookimpl
def dicom_common_db() -> Backend[Database]:
    """Offer the index `duckdb`."""
    return Backend("duckdb", Settings, DuckDatabase)
