"""The settings that the plugins for database servers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from dicom_common.core import Limits, Secret
from dicom_common.core.tls import Tls

__all__ = ["Port", "ServerSettings"]

Port = Annotated[int, Limits(1, 65535)]
"""A port of TCP, as a setting: a class that gives it a default names the type again, and with it the limits."""

_MOST_SECONDS = 86400


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How the index on a server is reached. A plugin inherits from it and gives `port` a default."""

    host: str = "localhost"
    """Its name or address; where the driver takes it, the folder of a Unix socket."""
    port: Port
    """The port of the server."""
    database: str = "dicom_common"
    """The name of the database. It has to be there; its tables are made (see `migrate`)."""
    user: str = "dicom_common"
    """The user. It has to own the database, or to have been granted what the README lists."""
    password: Secret = Secret("")
    """Its password, best as `{ file = "/run/secrets/db" }`."""
    pool_size: Annotated[int, Limits(1, 1000)] = 8
    """Connections that a process opens at most. Each thread that reads or writes uses one for that long."""
    connect_timeout: Annotated[float, Limits(above=0, most=_MOST_SECONDS)] = 10.0
    """Seconds that opening a connection may take, and that a thread waits for one that is free."""
    statement_timeout: Annotated[float, Limits(above=0, most=_MOST_SECONDS)] = 60.0
    """Seconds that one statement may take."""
    lock_timeout: Annotated[float, Limits(above=0, most=_MOST_SECONDS)] = 30.0
    """Seconds that a writer waits for others that write to the same study. A writer that stands still in the middle of
    a transaction is ended by the server after half of it (see `idle_timeout`)."""
    retry_timeout: Annotated[float, Limits(above=0, most=_MOST_SECONDS)] = 10.0
    """Seconds within which a call that writes is begun again, on a new connection, where the server ended the
    connection, cannot be reached, or takes no writes: a restart or a failover."""
    tls: Tls = field(default_factory=Tls)
    """`mode` (`auto`: TLS towards every other machine; `on`; `off`), `ca`, `certificate` and `key`, as PEM."""
    migrate: Literal["on-open", "never"] = "on-open"
    """Whether an empty or older database gets the present schema when it is opened, or by `dicom-common migrate` only.
    """

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for name in ("host", "database", "user"):
            value = getattr(self, name)
            if not value or "\0" in value:
                raise ValueError(f"{name} must not be empty, nor have a NUL in it")
        if "\0" in self.password.reveal():
            raise ValueError("password must not have a NUL in it")

    @property
    def idle_timeout(self) -> float:
        """Seconds after which the server ends a session that does nothing in the middle of a transaction.

        Half of `lock_timeout`, and at least one: whoever waits for its locks gets them before giving up. What is
        ended wrongly, because its process was slow, is begun again.
        """
        return max(1.0, self.lock_timeout / 2)
