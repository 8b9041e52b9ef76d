"""The settings of the table [db] for PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.db.sql import ServerSettings

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings(ServerSettings):
    """How the index on a PostgreSQL server is reached."""

    port: int = 5432
