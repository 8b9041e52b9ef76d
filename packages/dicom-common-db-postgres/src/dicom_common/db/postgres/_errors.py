"""From PostgreSQL's errors to ours. No message repeats PostgreSQL's own: its details quote the values of rows."""

from __future__ import annotations

from psycopg import Error, OperationalError
from psycopg.errors import lookup

from dicom_common.core import BackendError, DamagedError, RefusedError, UnavailableError
from dicom_common.db.postgres._settings import Settings
from dicom_common.db.sql import GoneError, PassingError

__all__ = ["Translation"]

Meaning = tuple[type[BackendError], str]

_RESTARTS: Meaning = (GoneError, "{where} is being restarted: try again.")
_LOST: Meaning = (GoneError, "The connection to {where} was lost: see whether the server runs, and try again.")
_READ_ONLY: Meaning = (
    GoneError,
    (
        "{where} can be read only (a standby, or default_transaction_read_only): name the primary server in db.host, or"
        " try again when a failover is over."
    ),
)
_FULL: Meaning = (
    PassingError,
    "{where} has no connection left for the user {user}: lower db.pool_size, or raise max_connections of the server.",
)
_NOT_LET_IN: Meaning = (
    RefusedError,
    "{where} does not let the user {user} in with this password: correct db.user or db.password.",
)
_NO_DATABASE: Meaning = (
    RefusedError,
    "The server {host} has no database {database}: create it, or name another one in db.database.",
)
_NO_PLACE: Meaning = (
    RefusedError,
    (
        "{where} does not let the user {user} in from this machine: correct db.user or db.tls.mode, or the server's"
        " pg_hba.conf."
    ),
)
_MEMORY: Meaning = (UnavailableError, "{where} is out of memory: try again, or give the server more.")
_DAMAGED: Meaning = (DamagedError, "{where} is damaged: restore it, or rebuild the index from the storage.")
_NO_SCHEMA: Meaning = (BackendError, "{where} has not the tables that are needed: run `dicom-common migrate`.")

_BY_STATE: dict[str, Meaning] = {
    "40P01": (PassingError, "{where} could not put writers in an order for a long time: try again."),  # deadlock
    "40001": (PassingError, "{where} could not put writers in an order for a long time: try again."),
    "23505": (PassingError, "Others wrote the same rows to {where} at the same time again and again: try again."),
    "55P03": (
        UnavailableError,
        "Others kept {where} locked for longer than db.lock_timeout: try again, or raise the time.",
    ),
    "57014": (
        UnavailableError,
        "A statement on {where} took longer than db.statement_timeout: try again, or raise the time.",
    ),
    "57P01": _RESTARTS,
    "57P02": _RESTARTS,
    "57P03": _RESTARTS,
    "57P05": _LOST,
    "25P03": _LOST,  # idle in a transaction
    "25P04": _LOST,  # a transaction of more than the server's transaction_timeout
    "26000": _LOST,  # a prepared statement is gone: something between us and the server changes connections
    "0A000": _LOST,  # the tables have changed under a prepared statement
    "53300": _FULL,
    "53100": (UnavailableError, "The disk of the server of {where} is full: free some space and try again."),
    "53200": _MEMORY,
    "58030": (UnavailableError, "The server of {where} has an I/O error: look at its disk."),
    "42501": (
        RefusedError,
        (
            "{where} does not allow the user {user} what is needed: make it the owner of the database db.database, or"
            " GRANT it the rights to use and create tables in its schema."
        ),
    ),
    "25006": _READ_ONLY,
    "42P01": _NO_SCHEMA,
    "42703": _NO_SCHEMA,
    "28P01": _NOT_LET_IN,
    "28000": _NO_PLACE,
    "3D000": _NO_DATABASE,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
_UNDONE = frozenset({"25006", "25P03", "25P04"})
"""States by which the server refuses writes, or has ended a transaction that took too long."""
_UNKNOWN: Meaning = (BackendError, "{where} failed in a way that was not foreseen ({name}): please report it.")

_BY_WORDS: tuple[tuple[tuple[str, ...], Meaning], ...] = (
    (
        ("password authentication failed", "no password supplied", "authentication failed for user"),
        _NOT_LET_IN,
    ),
    (("no pg_hba.conf entry", "pg_hba.conf rejects", "is not permitted to log in"), _NO_PLACE),
    (
        ("permission denied for database",),
        (
            RefusedError,
            "{where} does not allow the user {user} to connect: GRANT it CONNECT on the database, or correct db.user.",
        ),
    ),
    (
        ("server does not support SSL", "server does not support TLS"),
        (
            RefusedError,
            "The server {host} offers no TLS: turn it on there, or set db.tls.mode to off where the network is safe.",
        ),
    ),
    (
        ("does not match host name", "did not match", "certificate's host name"),
        (
            RefusedError,
            "The certificate of the server {host} is for another name: write the name that it has in db.host.",
        ),
    ),
    (
        ("certificate verify failed", "root certificate file", "self-signed certificate"),
        (
            RefusedError,
            (
                "The certificate of the server {host} is not signed by an authority that is trusted: name the file of"
                " the authority in db.tls.ca."
            ),
        ),
    ),
    (
        ("certificate required", "unknown ca", "bad certificate", "requires a valid client certificate"),
        (
            RefusedError,
            (
                "The server {host} asks for a certificate of ours that it trusts: correct db.tls.certificate and"
                " db.tls.key."
            ),
        ),
    ),
    (
        ("private key file", "could not load private key", "certificate file", "could not read certificate"),
        (
            RefusedError,
            (
                "The files of db.tls.certificate and db.tls.key cannot be used: see what is in them, and that"
                " only this account may read the key."
            ),
        ),
    ),
    (
        ("SSL error", "SSL SYSCALL", "SSL connection"),
        (UnavailableError, "No TLS connection to the server {host} came about: see db.tls and the server's log."),
    ),
    (
        ("could not translate host name", "failed to resolve host", "Name or service not known"),
        (UnavailableError, "The name of the server {host} cannot be resolved: correct db.host, or try again."),
    ),
    (
        ("starting up", "shutting down", "not yet accepting", "recovery mode", "not accepting connections"),
        _RESTARTS,
    ),
    (("too many clients", "too many connections", "remaining connection slots"), _FULL),
    (
        ("timeout expired", "timed out", "Network is unreachable", "No route to host"),
        (
            GoneError,
            "The server {host} does not answer at port {port}: correct db.host and db.port, or see whether it runs.",
        ),
    ),
    (
        ("Connection refused", "No such file or directory"),
        (GoneError, "No server answers at {host}, port {port}: start it, or correct db.host and db.port."),
    ),
)
"""Before a connection is made, libpq gives nothing but words."""


class Translation:
    """What errors mean, with the names of one configuration."""

    def __init__(self, settings: Settings) -> None:
        self._names = {
            "where": f"the index {settings.database} on {settings.host}",
            "host": settings.host,
            "port": settings.port,
            "database": settings.database,
            "user": settings.user,
        }

    def of(self, error: BaseException) -> BackendError:
        """Return what an error means, and take the words out of it that tracebacks would show."""
        state = error.sqlstate if isinstance(error, Error) else None
        kind, sentence = self._meaning(error, state)
        name = type(error).__name__ if state is None else f"{state} {_name(state)}"
        if isinstance(error, Error):
            error.args = (name,)
        text = sentence.format(name=name, **self._names)
        return kind(text[0].upper() + text[1:])

    def loses(self, error: BaseException) -> bool:
        """Tell whether a connection on which an error occurred is of no more use."""
        state = getattr(error, "sqlstate", None)
        return state is not None and self._meaning(error, state) in (_LOST, _RESTARTS, _READ_ONLY)

    @staticmethod
    def undoes(error: BaseException) -> bool:
        """Tell whether the transaction in which an error occurred was undone, even where it was being committed."""
        return getattr(error, "sqlstate", None) in _UNDONE

    def _meaning(self, error: BaseException, state: str | None) -> Meaning:
        if state is not None:
            return _BY_STATE.get(state) or (_LOST if state.startswith("08") else _UNKNOWN)
        if not isinstance(error, OperationalError):
            return _UNKNOWN
        words = str(error)
        if "does not exist" in words and "database" in words:
            return _NO_DATABASE
        if "does not exist" in words and "role" in words:
            return _NOT_LET_IN
        return next((meaning for some, meaning in _BY_WORDS if any(one in words for one in some)), _LOST)


def _name(state: str) -> str:
    try:
        return lookup(state).__name__
    except KeyError:
        return "error"
