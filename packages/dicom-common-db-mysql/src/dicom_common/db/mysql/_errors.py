"""From the server's and the driver's errors to ours, by number.

No message repeats the server's own: it may quote keys of rows, as "Duplicate entry" does.
"""

from __future__ import annotations

from typing import NamedTuple

from dicom_common.core import BackendError, RefusedError, UnavailableError

__all__ = ["GONE", "LOST", "PASSING", "READ_ONLY", "Where", "as_sentence", "code_of", "translate"]


class Where(NamedTuple):
    """What messages call things by; the password is not among them."""

    server: str
    """Host and port, or the socket's file."""
    database: str
    user: str


_LOST = (UnavailableError, "The connection to {server} was lost: look whether the server runs, and try again.")
_NO_LOGIN = (
    RefusedError,
    "{server} does not let the user {user!r} in with this password: correct db.user or db.password.",
)
_NO_RIGHT = (
    RefusedError,
    (
        "The user {user!r} (db.user) lacks a right on the database {database!r} of {server}: grant it SELECT, INSERT,"
        " UPDATE and DELETE, and for `dicom-common migrate` also CREATE, ALTER, INDEX, REFERENCES and DROP."
    ),
)
_CROWDED = (
    UnavailableError,
    "{server} takes no more connections: lower db.pool_size, or raise max_connections of the server.",
)
_READ_ONLY = (
    UnavailableError,
    (
        "{server} is read-only, as a replica is: name the server in db.host that takes writes, or try again when a"
        " failover is over."
    ),
)
_NO_CLUSTER = (UnavailableError, "{server} has no part in its cluster at present: try again later.")
_TOO_SLOW = (
    UnavailableError,
    "{server} did not answer a statement within db.statement_timeout: try again, or raise the time.",
)
_FULL = (UnavailableError, "The disk of {server} is full: free some space and try again.")
_MEMORY = (UnavailableError, "{server} has not enough memory: try again, or give the server more.")
_CROSSED = (UnavailableError, "{server} ended a transaction in favour of another one: try again.")
_TAKEN = (UnavailableError, "Another writer of {server} was quicker with the same rows: try again.")
_VALUE = (
    BackendError,
    "{server} does not take a value that the index was given (error {code}): please report it.",
)
_AUTHENTICATION = (
    RefusedError,
    (
        "{server} and this client library have no common way to log the user {user!r} in (error {code}): give db.user"
        " another authentication plugin, or use TLS (db.tls.mode)."
    ),
)
_MEANING: dict[int, tuple[type[BackendError], str]] = {
    1045: _NO_LOGIN,  # access denied
    1698: _NO_LOGIN,  # the same, where no password is asked for
    1820: _NO_LOGIN,  # the password has to be changed
    1862: _NO_LOGIN,  # the password has expired
    3118: _NO_LOGIN,  # the account is locked
    4151: _NO_LOGIN,  # the same, on MariaDB
    1251: _AUTHENTICATION,
    1275: _AUTHENTICATION,
    1524: _AUTHENTICATION,
    2058: _AUTHENTICATION,
    2059: _AUTHENTICATION,
    2061: _AUTHENTICATION,
    1044: _NO_RIGHT,  # on the database: also what a user without rights is told of one that is not there
    1142: _NO_RIGHT,  # on a table
    1143: _NO_RIGHT,  # on a column
    1227: _NO_RIGHT,
    1370: _NO_RIGHT,
    1049: (RefusedError, "{server} has no database {database!r}: create it, or correct db.database."),
    1129: (RefusedError, "{server} has blocked this machine after too many failed connections: run FLUSH HOSTS there."),
    1130: (RefusedError, "{server} does not let this machine connect: allow it for the user of db.user."),
    3159: (RefusedError, "{server} takes connections with TLS only: set db.tls.mode to on."),
    2002: (UnavailableError, "No server answers at {server}: look whether it runs, and at db.host and db.port."),
    2003: (UnavailableError, "No server answers at {server}: look whether it runs, and at db.host and db.port."),
    2005: (UnavailableError, "The name of {server} cannot be resolved: correct db.host."),
    2006: _LOST,
    2012: _LOST,
    2013: _LOST,
    2014: _LOST,
    2027: _LOST,
    2055: _LOST,
    1053: _LOST,  # the server is shutting down
    1080: _LOST,
    1152: _LOST,
    1158: _LOST,
    1159: _LOST,
    1160: _LOST,
    1161: _LOST,
    1927: _LOST,  # the connection was killed
    3032: _LOST,  # the server is offline
    3168: _LOST,  # the server is not available
    3169: _LOST,  # the session was killed
    4031: _LOST,  # it was idle for too long
    1047: _NO_CLUSTER,
    1040: _CROWDED,
    1203: _CROWDED,
    1226: _CROWDED,
    1205: (
        UnavailableError,
        "Another transaction on {server} held a row for longer than db.lock_timeout: try again, or raise the time.",
    ),
    1020: _CROSSED,
    1213: _CROSSED,
    3058: _CROSSED,
    1062: _TAKEN,
    1586: _TAKEN,
    1451: _TAKEN,  # a row that is referred to was to be deleted
    1452: _TAKEN,  # a row that is referred to is gone
    1290: _READ_ONLY,
    1792: _READ_ONLY,
    1836: _READ_ONLY,
    1874: _READ_ONLY,  # InnoDB is
    1317: _TOO_SLOW,  # interrupted
    1969: _TOO_SLOW,  # MariaDB's max_statement_time
    3024: _TOO_SLOW,  # MySQL's max_execution_time
    3: _FULL,
    1021: _FULL,
    1026: _FULL,
    1114: _FULL,
    1037: _MEMORY,
    1038: _MEMORY,
    1041: _MEMORY,
    1135: _MEMORY,  # no more threads
    1264: _VALUE,
    1292: _VALUE,
    1366: _VALUE,
    1406: _VALUE,
    1146: (
        BackendError,
        "The database {database!r} of {server} lacks a table of the index: run `dicom-common migrate`.",
    ),
    1054: (
        BackendError,
        "The database {database!r} of {server} lacks a column of the index: run `dicom-common migrate`.",
    ),
    1153: (BackendError, "A batch is larger than {server} takes: raise max_allowed_packet of the server."),
    1665: (
        BackendError,
        "{server} writes its binary log by statement, which loses rows: set binlog_format of the server to ROW.",
    ),
}
PASSING = frozenset({1020, 1040, 1062, 1213, 1451, 1452, 1586, 3058})
"""Numbers of errors after which the same transaction may succeed at once: it lost a race."""
READ_ONLY = frozenset({code for code, meaning in _MEANING.items() if meaning is _READ_ONLY})
"""Numbers of errors by which a server says that it takes no writes: nothing was written."""
LOST = frozenset({code for code, meaning in _MEANING.items() if meaning in (_LOST, _NO_CLUSTER)})
"""Numbers of errors after which a connection is of no more use."""
GONE = LOST | READ_ONLY | {2002, 2003}
"""Numbers of errors after which another connection may lead to a server that works."""
_HARMLESS = frozenset({1040, 1044, 1045, 1049, 1053, 1129, 1130, 1142, 1205, 1213, 1290, 1698, 1836, 1927, 1969, 3024})
"""Numbers of errors of the server that say nothing of rows."""
_TLS = 2026
_TLS_WORDS = (
    ("SSL is required", "{server} does not offer TLS: switch it on there, or set db.tls.mode to off."),
    ("does not support", "{server} does not offer TLS: switch it on there, or set db.tls.mode to off."),
    ("Validation of SSL server certificate", "The certificate of {server} is for another name: correct db.host."),
    ("No such file", "A file of db.tls.ca, db.tls.certificate or db.tls.key is not there: correct its name."),
)
_NOT_TRUSTED = (
    "TLS with {server} failed, as where its certificate is not from an authority that is trusted: name the authority"
    " in db.tls.ca, and see that db.tls.certificate and db.tls.key are what the server asks for."
)


def code_of(error: BaseException) -> int:
    """Return the number of an error of the driver; 0 where it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def as_sentence(text: str) -> str:
    """Return text with a capital at its beginning."""
    return text[0].upper() + text[1:]


def _silence(error: BaseException, code: int) -> None:
    """Take its text from an error that may quote a statement or a row: a log shows also what an error came from."""
    if code not in _HARMLESS and not 2000 <= code < 3000:  # what the client itself says, it says of connections
        error.args = (code,)


def translate(error: BaseException, where: Where) -> BackendError:
    """Return what an error of the driver means to the caller, in one sentence."""
    code = code_of(error)
    disk_full = code == 1030 and "28" in str(error.args[1:])  # the storage engine's error is ENOSPC
    _silence(error, code)
    if code == _TLS:
        said = str(error.args[1:])
        sentence = next((sentence for words, sentence in _TLS_WORDS if words in said), _NOT_TRUSTED)
        return RefusedError(as_sentence(sentence.format(**where._asdict())))
    if code in _MEANING:
        kind, sentence = _MEANING[code]
        return kind(as_sentence(sentence.format(**where._asdict(), code=code)))
    if disk_full:
        return UnavailableError(_FULL[1].format(**where._asdict()))
    named = f"error {code}" if code else type(error).__name__
    return BackendError(
        as_sentence(f"{where.server} failed in a way that was not foreseen ({named}): please report it.")
    )
