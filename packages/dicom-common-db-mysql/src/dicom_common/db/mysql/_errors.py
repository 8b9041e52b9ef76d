"""What the errors of MySQL, MariaDB and their driver mean, by number.

No message repeats the server's own: it may quote keys of rows, as "Duplicate entry" does.
"""

from __future__ import annotations

from MySQLdb import InterfaceError

from dicom_common.core import BackendError, RefusedError, UnavailableError
from dicom_common.db.mysql._settings import Settings
from dicom_common.db.sql import GoneError, PassingError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["Translation"]

_READ_ONLY = (1290, 1792, 1836, 1874)  # the last: InnoDB is
"""Numbers of errors by which a server says that it takes no writes: nothing was written."""
_NOT_REACHED = (2002, 2003)
_HARMLESS = frozenset({1040, 1044, 1045, 1049, 1053, 1129, 1130, 1142, 1205, 1213, 1290, 1698, 1836, 1927, 1969, 3024})
"""Numbers of errors of the server that say nothing of rows."""
_TLS = 2026
_DISK_FULL = "disk full"
_MEANINGS = (
    Meaning(
        RefusedError,
        "{server} does not offer TLS: switch it on there, or set db.tls.mode to off.",
        codes=(_TLS,),
        words=("SSL is required", "does not support"),
    ),
    Meaning(
        RefusedError,
        "The certificate of {server} is for another name: correct db.host.",
        codes=(_TLS,),
        words=("Validation of SSL server certificate",),
    ),
    Meaning(
        RefusedError,
        "A file of db.tls.ca, db.tls.certificate or db.tls.key is not there: correct its name.",
        codes=(_TLS,),
        words=("No such file",),
    ),
    Meaning(
        RefusedError,
        "TLS with {server} failed, as where its certificate is not from an authority that is trusted: name the"
        " authority in db.tls.ca, and check that db.tls.certificate and db.tls.key are what the server asks for.",
        codes=(_TLS,),
    ),
    Meaning(
        RefusedError,
        "{server} does not let the user {user!r} in with this password: correct db.user or db.password.",
        # Access denied; the same without a password; one that has to be changed, or has expired; an account that is
        # locked, on MySQL and on MariaDB.
        codes=(1045, 1698, 1820, 1862, 3118, 4151),
    ),
    Meaning(
        RefusedError,
        "{server} and this client library have no common way to log the user {user!r} in (error {code}): give db.user"
        " another authentication plugin, or use TLS (db.tls.mode).",
        codes=(1251, 1275, 1524, 2058, 2059, 2061),
    ),
    Meaning(
        RefusedError,
        "The user {user!r} (db.user) lacks a right on the database {database!r} of {server}: grant it SELECT, INSERT,"
        " UPDATE and DELETE, and for `dicom-common migrate` also CREATE, ALTER, INDEX, REFERENCES and DROP.",
        # On the database (the answer to a user without rights also where it is absent), a table, a column.
        codes=(1044, 1142, 1143, 1227, 1370),
    ),
    Meaning(RefusedError, "{server} has no database {database!r}: create it, or correct db.database.", codes=(1049,)),
    Meaning(
        RefusedError,
        "{server} has blocked this machine after too many failed connections: run FLUSH HOSTS there.",
        codes=(1129,),
    ),
    Meaning(
        RefusedError, "{server} does not let this machine connect: allow it for the user of db.user.", codes=(1130,)
    ),
    Meaning(RefusedError, "{server} takes connections with TLS only: set db.tls.mode to on.", codes=(3159,)),
    Meaning(
        GoneError, "No server answers at {server}: check that it runs, and db.host and db.port.", codes=_NOT_REACHED
    ),
    Meaning(UnavailableError, "The name of {server} cannot be resolved: correct db.host.", codes=(2005,)),
    Meaning(
        GoneError,
        "The connection to {server} was lost: check that the server runs, and try again.",
        # Of the client, then of a server that shuts down, was killed, is offline, or ended an idle session.
        codes=(
            *(2006, 2012, 2013, 2014, 2027, 2055),
            *(1053, 1080, 1152, 1158, 1159, 1160, 1161, 1927, 3032, 3168, 3169, 4031),
        ),
    ),
    Meaning(GoneError, "{server} has no part in its cluster at present: try again later.", codes=(1047,)),
    Meaning(
        PassingError,
        "{server} takes no more connections: lower db.pool_size, or raise max_connections of the server.",
        codes=(1040,),
    ),
    Meaning(
        UnavailableError,
        "{server} takes no more connections: lower db.pool_size, or raise max_connections of the server.",
        codes=(1203, 1226),
    ),
    Meaning(
        UnavailableError,
        "Another transaction on {server} held a row for longer than db.lock_timeout: try again, or raise the time.",
        codes=(1205,),
    ),
    Meaning(PassingError, "Deadlock on {server}: try again.", codes=(1020, 1213, 3058)),
    Meaning(
        PassingError,
        "Another writer wrote the same rows to {server} first: try again.",
        codes=(1062, 1586, 1451, 1452),  # the last two: of a row that is referred to
    ),
    Meaning(
        GoneError,
        "{server} is read-only, as a replica is: name the server in db.host that takes writes, or try again when a"
        " failover is over.",
        codes=_READ_ONLY,
    ),
    Meaning(
        UnavailableError,
        "{server} did not answer a statement within db.statement_timeout: try again, or raise the time.",
        codes=(1317, 1969, 3024),  # interrupted; MariaDB's max_statement_time; MySQL's max_execution_time
    ),
    Meaning(
        UnavailableError,
        "The disk of {server} is full: free some space and try again.",
        codes=(3, 1021, 1026, 1114, _DISK_FULL),
    ),
    Meaning(
        UnavailableError,
        "{server} has not enough memory: try again, or give the server more.",
        codes=(1037, 1038, 1041, 1135),  # the last: no more threads
    ),
    Meaning(
        BackendError,
        "{server} does not take a value that the index was given (error {code}): report it.",
        codes=(1264, 1292, 1366, 1406),
    ),
    Meaning(
        BackendError,
        "The database {database!r} of {server} lacks a table of the index: run `dicom-common migrate`.",
        codes=(1146,),
    ),
    Meaning(
        BackendError,
        "The database {database!r} of {server} lacks a column of the index: run `dicom-common migrate`.",
        codes=(1054,),
    ),
    Meaning(
        BackendError, "A batch is larger than {server} takes: raise max_allowed_packet of the server.", codes=(1153,)
    ),
    Meaning(
        BackendError,
        "{server} writes its binary log by statement, which loses rows: set binlog_format of the server to ROW.",
        codes=(1665,),
    ),
    Meaning(BackendError, "{server} failed in an unforeseen way ({code}): report it."),
)


class Translation:
    """What errors mean, with the names of one configuration; the password is not among them."""

    def __init__(self, settings: Settings, server: str) -> None:
        names = {"server": server, "database": settings.database, "user": settings.user}
        self._meanings = Meanings(_MEANINGS, names)

    def of(self, error: BaseException) -> BackendError:
        """Return what an error means, and take its text from one that may quote a statement or a row."""
        code = _code(error)
        # What the storage engine says where its disk is full is ENOSPC.
        codes = (code, _DISK_FULL) if code == 1030 and "28" in str(error.args[1:]) else (code,)
        made = self._meanings.error(error, *codes, text=str(error.args[1:]), code=code or type(error).__name__)
        if code not in _HARMLESS and not 2000 <= code < 3000:  # what the client itself says, it says of connections
            error.args = (code,)  # a log shows also what an error came from
        return made

    def loses(self, error: BaseException) -> bool:
        """Tell whether a connection on which an error occurred is of no more use."""
        code = _code(error)
        is_gone = self._meanings.find(error, code, text="").kind is GoneError
        return (is_gone and code not in _NOT_REACHED) or isinstance(error, InterfaceError)

    @staticmethod
    def undoes(error: BaseException) -> bool:
        """Tell whether the transaction in which an error occurred was undone, even where it was being committed."""
        return _code(error) in _READ_ONLY


def _code(error: BaseException) -> int:
    """Return the number of an error of the driver; 0 where it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0
