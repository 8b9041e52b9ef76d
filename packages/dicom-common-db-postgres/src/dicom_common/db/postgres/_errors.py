"""What PostgreSQL's errors mean. No message repeats PostgreSQL's own: its details quote the values of rows."""

from __future__ import annotations

import re

from psycopg import Error, OperationalError
from psycopg.errors import lookup

from dicom_common.core import BackendError, DamagedError, RefusedError, UnavailableError
from dicom_common.db.postgres._settings import Settings
from dicom_common.db.sql import GoneError, PassingError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["Translation"]

_NO_STATE = None
"""The code of an error before a connection is made: libpq gives nothing but words."""
_NO_DATABASE, _NO_ROLE = "database", "role"
_UNDONE = frozenset({"25006", "25P03", "25P04"})
"""States by which the server refuses writes, or has ended a transaction that took too long."""
# The codes are SQLSTATEs, their first two characters, and phrases of libpq, which all have a space.
_MEANINGS = (
    Meaning(PassingError, "Deadlock on {where}: try again.", codes=("40P01", "40001")),
    Meaning(
        PassingError,
        "Other writers wrote the same rows to {where} at the same time, again and again: try again.",
        codes=("23505",),
    ),
    Meaning(
        UnavailableError,
        "Other writers kept {where} locked for longer than db.lock_timeout: try again, or raise the time.",
        codes=("55P03",),
    ),
    Meaning(
        UnavailableError,
        "A statement on {where} took longer than db.statement_timeout: try again, or raise the time.",
        codes=("57014",),
    ),
    Meaning(
        GoneError,
        "{where} is being restarted: try again.",
        codes=(
            "57P01",
            "57P02",
            "57P03",
            "starting up",
            "shutting down",
            "not yet accepting",
            "recovery mode",
            "not accepting connections",
        ),
    ),
    Meaning(
        GoneError,
        "The connection to {where} was lost: check that the server runs, and try again.",
        # Idle in a transaction; longer than the server's transaction_timeout; a prepared statement that is gone, since
        # something between us and the server changes connections; tables that changed under one.
        codes=("08", "57P05", "25P03", "25P04", "26000", "0A000"),
    ),
    Meaning(
        PassingError,
        "{where} has no connection left for the user {user}: lower db.pool_size, or raise max_connections of the"
        " server.",
        codes=("53300", "too many clients", "too many connections", "remaining connection slots"),
    ),
    Meaning(
        UnavailableError, "The disk of the server of {where} is full: free some space and try again.", codes=("53100",)
    ),
    Meaning(UnavailableError, "{where} is out of memory: try again, or give the server more.", codes=("53200",)),
    Meaning(UnavailableError, "The server of {where} has an I/O error: check its disk.", codes=("58030",)),
    Meaning(
        RefusedError,
        "{where} does not allow the user {user} what is needed: make it the owner of the database db.database, or"
        " GRANT it the rights to use and create tables in its schema.",
        codes=("42501",),
    ),
    Meaning(
        GoneError,
        "{where} can be read only (a standby, or default_transaction_read_only): name the primary server in db.host, or"
        " try again when a failover is over.",
        codes=("25006",),
    ),
    Meaning(
        BackendError, "{where} lacks tables that are needed: run `dicom-common migrate`.", codes=("42P01", "42703")
    ),
    Meaning(
        RefusedError,
        "{where} does not let the user {user} in with this password: correct db.user or db.password.",
        codes=(
            "28P01",
            _NO_ROLE,
            "password authentication failed",
            "no password supplied",
            "authentication failed for user",
        ),
    ),
    Meaning(
        RefusedError,
        "{where} does not let the user {user} in from this machine: correct db.user or db.tls.mode, or the server's"
        " pg_hba.conf.",
        codes=("28000", "no pg_hba.conf entry", "pg_hba.conf rejects", "is not permitted to log in"),
    ),
    Meaning(
        RefusedError,
        "The server {host} has no database {database}: create it, or name another one in db.database.",
        codes=("3D000", _NO_DATABASE),
    ),
    Meaning(
        DamagedError, "{where} is damaged: restore it, or rebuild the index from the storage.", codes=("XX001", "XX002")
    ),
    Meaning(
        RefusedError,
        "{where} does not allow the user {user} to connect: GRANT it CONNECT on the database, or correct db.user.",
        codes=("permission denied for database",),
    ),
    Meaning(
        RefusedError,
        "The server {host} offers no TLS: turn it on there, or set db.tls.mode to off where the network is safe.",
        codes=("server does not support SSL", "server does not support TLS"),
    ),
    Meaning(
        RefusedError,
        "The certificate of the server {host} is for another name: write the name that it has in db.host.",
        codes=("does not match host name", "did not match", "certificate's host name"),
    ),
    Meaning(
        RefusedError,
        "The certificate of the server {host} is not signed by an authority that is trusted: name the file of the"
        " authority in db.tls.ca.",
        codes=("certificate verify failed", "root certificate file", "self-signed certificate"),
    ),
    Meaning(
        RefusedError,
        "The server {host} asks for a client certificate that it trusts: correct db.tls.certificate and db.tls.key.",
        codes=("certificate required", "unknown ca", "bad certificate", "requires a valid client certificate"),
    ),
    Meaning(
        RefusedError,
        "The files of db.tls.certificate and db.tls.key cannot be used: check what is in them, and that only this"
        " account may read the key.",
        codes=("private key file", "could not load private key", "certificate file", "could not read certificate"),
    ),
    Meaning(
        UnavailableError,
        "No TLS connection to the server {host} was made: check db.tls and the server's log.",
        codes=("SSL error", "SSL SYSCALL", "SSL connection"),
    ),
    Meaning(
        UnavailableError,
        "The name of the server {host} cannot be resolved: correct db.host, or try again.",
        codes=("could not translate host name", "failed to resolve host", "Name or service not known"),
    ),
    Meaning(
        GoneError,
        "The server {host} does not answer at port {port}: correct db.host and db.port, or check that it runs.",
        codes=("timeout expired", "timed out", "Network is unreachable", "No route to host"),
    ),
    Meaning(
        GoneError,
        "No server answers at {host}, port {port}: start it, or correct db.host and db.port.",
        codes=("Connection refused", "No such file or directory"),
    ),
    Meaning(
        GoneError,
        "The connection to {where} was lost: check that the server runs, and try again.",
        codes=(_NO_STATE,),
        classes=(OperationalError,),
    ),
    Meaning(BackendError, "{where} failed in an unforeseen way ({name}): report it."),
)


class Translation:
    """What errors mean, with the names of one configuration."""

    def __init__(self, settings: Settings) -> None:
        names = {
            "where": f"the index {settings.database} on {settings.host}",
            "host": settings.host,
            "port": settings.port,
            "database": settings.database,
            "user": settings.user,
        }
        self._meanings = Meanings(_MEANINGS, names)

    def of(self, error: BaseException) -> BackendError:
        """Return what an error means, and take the words out of it that tracebacks would show."""
        codes = _codes(error)
        state = codes[0]
        name = type(error).__name__ if state is None else f"{state} {_name(state)}"
        made = self._meanings.error(error, *codes, name=name)
        if isinstance(error, Error):
            error.args = (name,)
        return made

    def loses(self, error: BaseException) -> bool:
        """Tell whether a connection on which an error occurred is of no more use."""
        codes = _codes(error)
        return codes[0] is not None and self._meanings.find(error, *codes).kind is GoneError

    @staticmethod
    def undoes(error: BaseException) -> bool:
        """Tell whether the transaction in which an error occurred was undone, even where it was being committed."""
        return getattr(error, "sqlstate", None) in _UNDONE


def _codes(error: BaseException) -> tuple[str | None, ...]:
    """Return the codes of an error: its SQLSTATE first, or what libpq says where it has none."""
    state = error.sqlstate if isinstance(error, Error) else None
    if state is not None:
        return state, state[:2]
    words = str(error) if isinstance(error, OperationalError) else ""
    absent = re.search(r"\b(database|role)\b.* does not exist", words)
    phrases = (code for meaning in _MEANINGS for code in meaning.codes if isinstance(code, str) and " " in code)
    return _NO_STATE, *([absent[1]] if absent else []), *(phrase for phrase in phrases if phrase in words)


def _name(state: str) -> str:
    try:
        return lookup(state).__name__
    except KeyError:
        return "error"
