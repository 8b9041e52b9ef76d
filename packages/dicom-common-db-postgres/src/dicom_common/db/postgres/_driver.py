"""psycopg, as the pool sees it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.adapt import Dumper
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from dicom_common.core import BackendError, ConfigError, RefusedError
from dicom_common.db.postgres._errors import Translation
from dicom_common.db.postgres._settings import Settings
from dicom_common.db.sql import Row, Session
from dicom_common.db.sql.server import Driver

__all__ = ["PostgresSession", "PsycopgDriver"]

SCHEMA_LOCK = 0x6469636F6D0001  # "dicom" and a number: advisory locks are numbers, and belong to one database
_ROOTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where operating systems keep the certificates of the authorities that they trust."""

_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
"""What is acknowledged is on the disk. Any other value than `off` waits for it, and is the operator's choice."""


_SESSION = {
    # The server's default is for disks that turn: with it, the planner reads the whole table of patients for fifty.
    "random_page_cost": "1.1",
    # One plan for all values would not know the limit of a page.
    "plan_cache_mode": "auto",
    # What has a default of another meaning where somebody has changed it for the server, the database or the user.
    "default_transaction_isolation": "read committed",
    "standard_conforming_strings": "on",
    "array_nulls": "on",  # else NULL in an array of a statement is a text
    "extra_float_digits": "1",  # else numbers come back rounded
    "row_security": "off",  # a policy that would hide rows is an error
}
"""What a session relies on. Dates, times and intervals are numbers here: DateStyle and TimeZone do not matter. Whether
it may write (default_transaction_read_only) is left to the operator."""


class _ArrayDumper(Dumper):
    """Lists as arrays whose type the server takes from the statement.

    psycopg's own looks at the items: a list of small numbers would be of another type than one of large numbers, and
    each type makes another prepared statement.
    """

    oid = 0

    def dump(self, obj: list[Any]) -> bytes:
        """See psycopg."""
        return ("{" + ",".join([_item(item) for item in obj]) + "}").encode("utf-8", "replace")


def _item(item: str | float | bytes | None) -> str:
    if isinstance(item, str):
        # No row has a text with a NUL, but one may be asked for; and libpq would stop reading there.
        return '"' + item.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\ufffd") + '"'
    if item is None:
        return "NULL"
    return f'"\\\\x{item.hex()}"' if isinstance(item, bytes) else repr(item)


class PostgresSession:
    """A connection that is lent. Statements have `$1`: psycopg does not have to look for parameters in them."""

    __slots__ = ("_cursor", "raw")

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self._cursor: RawCursor[Any] = RawCursor(raw)

    def rows(self, text: str, bound: Any) -> Sequence[Row]:
        """See `Session.rows`."""
        return self._execute(text, bound).fetchall()

    def run(self, text: str, bound: Any) -> int:
        """See `Session.run`."""
        return self._execute(text, bound).rowcount

    def run_many(self, text: str, bound: Sequence[Any]) -> None:
        """See `Session.run_many`; all are sent before the first answer is read."""
        if len(bound) == 1:
            self._execute(text, bound[0])
        elif bound:
            self._cursor.executemany(text, bound)
            # After a pipeline, PostgreSQL does not count the time for which a transaction is idle (seen with 15): a
            # writer that freezes then would hold its locks. A plain query makes it begin.
            self.raw.execute("")

    def copy(self, text: str, types: Sequence[str], rows: Sequence[Row]) -> None:
        """Send rows to a COPY ... FROM STDIN in the binary format."""
        with self._cursor.copy(text) as copy:
            copy.set_types(types)
            write = copy.write_row
            for row in rows:
                write(row)

    def _execute(self, text: str, bound: Any) -> RawCursor[Any]:
        # A prepared statement keeps a plan, which is a bad one when a table has grown since: in a bulk load of an empty
        # index it would read whole tables. Searches are prepared (their plans are made again when the server has looked
        # at the tables); the look-ups of a transaction that writes are planned each time, which takes a tenth of a
        # millisecond.
        prepare = False if self.raw.pgconn.transaction_status == TransactionStatus.INTRANS else None
        try:
            return self._cursor.execute(text, bound, prepare=prepare)
        except (UnicodeEncodeError, psycopg.DataError) as error:
            if getattr(error, "sqlstate", None) is not None:
                raise
            # It never left: there is a NUL or a lone surrogate in a text that is asked for. No row has such a text.
            sendable = [
                value.replace("\0", "\ufffd").encode("utf-8", "replace").decode() if isinstance(value, str) else value
                for value in bound
            ]
            return self._cursor.execute(text, sendable, prepare=prepare)


class PsycopgDriver(Driver):
    """Connections of psycopg, with all time limits set."""

    url = "postgresql+psycopg://"
    errors = (psycopg.Error,)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.where = f"The index {settings.database} on {settings.host}"
        self._translation = Translation(settings)
        self._arguments = _arguments(settings)

    def connect(self) -> psycopg.Connection[Any]:
        """See `Driver.connect`."""
        password = self.settings.password.reveal() or None
        connection = psycopg.connect(autocommit=True, password=password, **self._arguments)
        connection.execute(_DURABLE)
        # One type for all whole numbers: with each type a statement would be another one, prepared by itself.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        connection.adapters.register_dumper(list, _ArrayDumper)
        if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
            connection.close()
            raise RefusedError(
                f"{self.where} has the encoding {encoding}: create the database with ENCODING 'UTF8', or name another"
                " one in db.database."
            )
        return connection

    def session(self, raw: Any) -> Session:
        """See `Driver.session`."""
        return PostgresSession(raw)

    def translate(self, error: BaseException) -> BackendError:
        """See `Driver.translate`."""
        return self._translation.of(error)

    def lost(self, raw: Any, error: BaseException) -> bool:
        """See `Driver.lost`."""
        return bool(raw.closed) or self._translation.loses(error)

    def undone(self, error: BaseException) -> bool:
        """See `Driver.undone`."""
        return self._translation.undoes(error)

    def unused(self, raw: Any) -> bool:
        """See `Driver.unused`."""
        return bool(raw.pgconn.transaction_status == TransactionStatus.IDLE)

    def ping(self, raw: Any) -> None:
        """See `Driver.ping`."""
        raw.execute("")  # an empty query is answered, and is not logged as a statement

    def begin(self, raw: Any) -> None:
        """See `Driver.begin`. A statement has to see what was committed while the one before it waited for a lock."""
        raw.execute("BEGIN ISOLATION LEVEL READ COMMITTED")

    def lock_schema(self, raw: Any) -> None:
        """See `Driver.lock_schema`. The change of a large table may take long."""
        raw.execute("SET LOCAL statement_timeout = 0")
        raw.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))

    def unlock_schema(self, raw: Any) -> None:
        """See `Driver.unlock_schema`: the end of the transaction does it."""


def _arguments(settings: Settings) -> dict[str, Any]:
    limits = {
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        # A process that stands still in the middle of a transaction must not keep others from its studies.
        "idle_in_transaction_session_timeout": settings.idle_timeout,
    }
    session = _SESSION | {
        "search_path": f"{settings.schema},pg_temp",  # pg_temp last: else a temporary table would come first
        **{name: str(max(1, round(seconds * 1000))) for name, seconds in limits.items()},
    }
    silence = settings.statement_timeout + settings.connect_timeout
    return {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.database,
        "user": settings.user,
        "connect_timeout": max(2, round(settings.connect_timeout)),  # whole seconds; libpq takes 1 for 2
        "options": " ".join(f"-c {name}={_escaped(value)}" for name, value in session.items()),
        "client_encoding": "UTF8",
        "application_name": "dicom-common",
        "gssencmode": "disable",
        # A server that vanished without a word is noticed.
        "keepalives": 1,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": round(min(silence, 2_000_000) * 1000),
        **_tls(settings),
    }


def _escaped(value: str) -> str:
    """Write a value as libpq's `options` has it: a space and a backslash have a backslash before them."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _tls(settings: Settings) -> dict[str, Any]:
    """Write the table [db.tls] as libpq has it: verified, host name included, or no TLS at all."""
    tls = settings.tls
    if not tls.wanted(settings.host):
        return {"sslmode": "disable"}
    for name, path in (("ca", tls.ca), ("certificate", tls.certificate), ("key", tls.key)):
        if path is not None and not path.is_file():
            raise ConfigError(f"The file {path} of db.tls.{name} is not there.")
    arguments = {
        "sslmode": "verify-full",
        "sslrootcert": str(tls.ca or _trusted()),
        "ssl_min_protocol_version": "TLSv1.2",
    }
    if tls.certificate is not None and tls.key is not None:
        arguments |= {"sslcert": str(tls.certificate), "sslkey": str(tls.key)}
    return arguments


def _trusted() -> str:
    """Return the file of authorities that this machine trusts.

    libpq's own word for it, `system`, means nothing to libpq before 16, and in the wheels of psycopg a folder of the
    machine that they were built on.
    """
    named = ssl.get_default_verify_paths().cafile
    for path in ([named] if named else []) + list(_ROOTS):
        if Path(path).is_file():
            return path
    return "system"
