"""What the pool has to know of mysqlclient: connecting, transactions, and what its errors mean."""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Mapping
from typing import Any

import MySQLdb
from MySQLdb.connections import Connection
from MySQLdb.constants import CLIENT

from dicom_common.core import BackendError, UnavailableError
from dicom_common.core.tls import client_context
from dicom_common.db.mysql._errors import Translation
from dicom_common.db.mysql._session import MysqlSession
from dicom_common.db.mysql._settings import Settings
from dicom_common.db.sql import PassingError
from dicom_common.db.sql.server import Driver

__all__ = ["MysqlDriver"]

_LONGER = 5
"""Seconds by which the client waits longer than the server's own time limits: their errors say more than a silence."""
_LOCK = "dicom_common_schema"
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_SESSION = {
    # A value that does not fit is an error, a backslash is one in a literal.
    "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    "default_storage_engine": "'InnoDB'",
    "completion_type": "'NO_CHAIN'",  # a commit ends a transaction, and begins none
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "sql_safe_updates": "0",
    "sql_select_limit": "18446744073709551615",  # none; DEFAULT would be what the server was set to
    "sql_big_selects": "1",
    "sql_auto_is_null": "0",
    "max_sort_length": "1024",  # text that is sorted is 255 characters of four bytes at most
}
"""What a session relies on, whatever the server's defaults are."""


class _Connection(Connection):  # type: ignore[misc]  # the driver has no types
    """A connection that knows what the driver does not tell."""

    begun = False
    """Whether a transaction was begun."""
    longest = 0
    """Bytes of the longest statement that the server takes."""


class MysqlDriver(Driver):
    """Connections of mysqlclient, for MySQL 8 and MariaDB 10.6 or newer."""

    errors = (MySQLdb.Error,)

    def __init__(self, settings: Settings) -> None:
        local = settings.host.startswith("/")
        server = settings.host if local else f"{settings.host}:{settings.port}"
        self.server = f"the MySQL server {server}"
        self.user, self.database = settings.user, settings.database
        self._translation = Translation(settings, self.server)
        self.where = f"The index {settings.database} on {server}"
        self.url = "mysql+mysqldb://"
        self.mariadb, self.product, self.version = False, "MySQL", ""
        self._arguments = _arguments(settings)
        self._settings = settings

    def find_product(self) -> None:
        """Ask the server what it is.

        Raises:
            BackendError: it cannot be reached, refuses, or is too old.
        """
        try:
            raw = self.connect()
            self.version = str(raw.get_server_info()).removeprefix("5.5.5-")  # MariaDB, as old replicas expect it
            self.mariadb = _is_mariadb(raw)
            raw.close()
        except self.errors as error:
            meant = self.translate(error)
            if isinstance(meant, PassingError):
                meant = UnavailableError(str(meant))
            raise meant from error
        self.product, needed = ("MariaDB", "10.6") if self.mariadb else ("MySQL", "8.0.17")
        self.url = "mariadb+mysqldb://" if self.mariadb else "mysql+mysqldb://"
        if _numbers(self.version) < _numbers(needed):
            raise BackendError(
                f"The index needs {self.product} {needed} or newer, and {self.server} is {self.product}"
                f" {self.version}: upgrade the server."
            )

    def connect(self) -> Connection:
        """See `Driver.connect`."""
        return self._connect(self._arguments, self._settings.statement_timeout)

    def connect_patiently(self) -> Connection:
        """See `Driver.connect_patiently`."""
        limited = ("read_timeout", "write_timeout")
        arguments = {name: value for name, value in self._arguments.items() if name not in limited}
        return self._connect(arguments, 0)  # 0: without a limit

    def _connect(self, arguments: Mapping[str, Any], limit: float) -> Connection:
        raw = _Connection(**arguments)
        try:
            for statement in (_ISOLATION, _set(_SESSION), _set(self._limits(raw, limit))):
                raw.query(statement)
            raw.longest = int(_asked(raw, "SELECT @@max_allowed_packet"))
        except BaseException:
            raw.close()
            raise
        return raw

    def _limits(self, raw: Connection, seconds: float) -> dict[str, str]:
        wait, idle = math.ceil(self._settings.lock_timeout), str(int(self._settings.idle_timeout))
        limits = {
            "innodb_lock_wait_timeout": str(wait),
            "lock_wait_timeout": str(wait),  # of a table whose definition is in use
            # A process that stands still in the middle of a transaction must not keep others from its studies; nor in
            # the middle of a statement, or of an answer.
            "net_read_timeout": idle,
            "net_write_timeout": idle,
        }
        if _is_mariadb(raw):
            limits |= {"max_statement_time": str(seconds), "idle_transaction_timeout": idle}
            # Without the switch, EXISTS is answered for all rows before the first is returned; with it, for the page.
            return limits | {"optimizer_switch": "'exists_to_in=off'"}
        # MySQL limits the time of a SELECT only; and of a session that does nothing, in a transaction or not: the pool
        # replaces those that it ended while they were idle.
        return limits | {"max_execution_time": str(math.ceil(seconds * 1000)), "wait_timeout": idle}

    def session(self, raw: Any) -> MysqlSession:
        """See `Driver.session`."""
        return MysqlSession(raw)

    def translate(self, error: BaseException) -> BackendError:
        """See `Driver.translate`."""
        return self._translation.of(error)

    def lost(self, raw: Any, error: BaseException) -> bool:  # noqa: ARG002 - the error says enough
        """See `Driver.lost`."""
        return self._translation.loses(error)

    def undone(self, error: BaseException) -> bool:
        """See `Driver.undone`."""
        return self._translation.undoes(error)

    def unused(self, raw: Any) -> bool:
        """See `Driver.unused`."""
        return not raw.begun

    def ping(self, raw: Any) -> None:
        """See `Driver.ping`."""
        raw.ping()

    def begin(self, raw: Any) -> None:
        """See `Driver.begin`.

        A server that was demoted keeps its connections, and what it has may be old by now: by READ WRITE it says so
        before anything is decided by its rows.
        """
        raw.begun = True
        raw.query(b"START TRANSACTION READ WRITE")

    def commit(self, raw: Any) -> None:
        """See `Driver.commit`."""
        raw.commit()
        raw.begun = False

    def rollback(self, raw: Any) -> None:
        """See `Driver.rollback`."""
        raw.rollback()
        raw.begun = False

    def lock_schema(self, raw: Any) -> None:
        """See `Driver.lock_schema`: MySQL commits at each change of a table, so the session has the lock."""
        if not _asked(raw, f"SELECT GET_LOCK('{_LOCK}', {math.ceil(self._settings.lock_timeout)})"):
            raise MySQLdb.OperationalError(1205, "the lock on the schema")

    def unlock_schema(self, raw: Any) -> None:
        """See `Driver.unlock_schema`."""
        _asked(raw, f"SELECT RELEASE_LOCK('{_LOCK}')")


def _set(variables: Mapping[str, str]) -> str:
    return "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in variables.items())


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _is_mariadb(raw: Connection) -> bool:
    return "mariadb" in str(raw.get_server_info()).lower()


def _asked(raw: Connection, question: str) -> Any:
    raw.query(question)
    return raw.store_result().fetch_row(0)[0][0]


def _arguments(settings: Settings) -> dict[str, Any]:
    """Return what the driver is called with."""
    arguments: dict[str, Any] = {
        "user": settings.user,
        "password": settings.password.reveal(),
        "database": settings.database,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": max(1, math.ceil(settings.connect_timeout)),
        "write_timeout": math.ceil(settings.statement_timeout) + _LONGER,
        "read_timeout": math.ceil(max(settings.statement_timeout, settings.lock_timeout)) + _LONGER,
        "client_flag": CLIENT.FOUND_ROWS,  # an update counts what it found, as everywhere else
        "multi_statements": False,  # one call is one statement, whatever is in it
        "local_infile": False,  # no server reads files of this machine
    }
    if settings.host.startswith("/"):
        arguments["unix_socket"] = settings.host
    else:
        # The client library takes `localhost` for "the socket that I was built with".
        arguments |= {"host": "127.0.0.1" if settings.host == "localhost" else settings.host, "port": settings.port}
    if not settings.tls.wanted(settings.host):
        return arguments | {"ssl_mode": "DISABLED"}
    return arguments | {"ssl_mode": "VERIFY_IDENTITY", "ssl": _tls(settings)}


def _tls(settings: Settings) -> dict[str, str]:
    client_context(settings.tls)  # the driver would not say which of the files it cannot use
    files = {"ca": settings.tls.ca, "cert": settings.tls.certificate, "key": settings.tls.key}
    given = {name: str(path) for name, path in files.items() if path is not None}
    if "ca" not in given:
        # MySQL's client library does not look for the system's authorities by itself.
        system = ssl.get_default_verify_paths()
        given |= {"ca": system.cafile} if system.cafile else {}
        given |= {"capath": system.capath} if system.capath else {}
    return given
