"""The settings of the table [db] for PostgreSQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicom_common.db.sql.server import Port, ServerSettings

__all__ = ["Settings"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Settings(ServerSettings):
    """How the index on a PostgreSQL server is reached."""

    port: Port = 5432
    """The port of the server."""
    schema: str = "public"
    """The schema of the database in which the tables are, whatever the user's search_path: an unquoted name in lower
    case. It has to be there."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        super().__post_init__()
        if _NAME.fullmatch(self.schema) is None or self.schema.startswith("pg_"):
            raise ValueError("schema has to be a name of a-z, 0-9 and _, with a letter first, and not begin with pg_")
