"""The settings of the table [db] for MySQL and MariaDB."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.db.sql.server import Port, ServerSettings

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings(ServerSettings):
    """How the index on a MySQL or MariaDB server is reached.

    `host` may also be the file of a Unix socket. `localhost` is this machine's loopback address, not a socket.
    """

    port: Port = 3306
    """The port of the server."""
