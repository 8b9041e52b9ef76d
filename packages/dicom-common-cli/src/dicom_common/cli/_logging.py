"""The log of a command: where it goes, in which form, and what never gets into it."""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from dicom_common.cli._output import printable
from dicom_common.core import ConfigError, DicomCommonError
from dicom_common.host import TRACEBACKS

__all__ = ["LogSettings", "log_as_configured", "log_to_stderr"]

_OURS = "dicom_common.cli"
"""The name of the handler that is ours."""
_QUIET = {
    # What it warns of is dealt with: a connection more than the pool keeps, an attempt that is made again.
    "urllib3": logging.ERROR,
    # It logs an error for each connection that fails, many a second while a broker is away; we say it once.
    "kafka": logging.CRITICAL,
}


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """The table `[log]`: what the command logs beside what it prints."""

    level: Literal["debug", "info", "warning", "error"] = "warning"
    """From which level on. It is that of this library: other libraries' logs begin at warnings, whatever is set here,
    because some of their debug logs show the values of a query or the headers of a request."""
    format: Literal["text", "json"] = "text"
    """`text`: a line for people. `json`: an object a line, with `time` (UTC), `level`, `logger`, `message`, `process`,
    and for an exception `error` and `trace`."""
    file: Path | None = None
    """A file to append to, instead of stderr. It may be renamed while it is written to (logrotate): the next line goes
    to a new one."""


class _Escaped(logging.Formatter):
    """A record as one line. Of an exception, the places are told; its text only if it is an error of ours.

    The message of a foreign exception may quote a data set, a query or a connection string.
    """

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def formatException(  # noqa: N802 - logging's own name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return where it was raised, and which it is."""
        _, error, trace = ei
        return "; ".join([*_places(trace), _named(error)] if error is not None else [])

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; control characters, which may be commands to a terminal or forge a line, are escaped."""
        ours = copy.copy(record)
        ours.exc_text = None  # where another handler's formatter leaves what it made of the exception
        return printable(super().format(ours).replace("\n", " | " if record.exc_info else "\\n"))


class _Whole(_Escaped):
    """A record for the person who asked for tracebacks (`--verbose`): those of plugins' failures are whole.

    They are what the author of a plugin needs, and its own text with them; so they go to a terminal only, never to a
    file of the log.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the lines of a traceback behind it."""
        if not record.exc_info or record.name != TRACEBACKS.name:
            return super().format(record)
        bare = copy.copy(record)
        bare.exc_info = bare.exc_text = None
        trace = "".join(traceback.format_exception(record.exc_info[1])).splitlines()
        return "\n".join([super().format(bare), *map(printable, trace)])


class _Json(_Escaped):
    """A record as a JSON object, in ASCII: nothing in it is a control character."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info and (error := record.exc_info[1]) is not None:
            entry |= {"error": _named(error), "trace": _places(record.exc_info[2])}
        return json.dumps(entry, default=str)


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, DicomCommonError) else type(error).__name__


class _ToStderr(logging.Handler):
    """Writes to whatever `sys.stderr` is at the time: a progress bar puts itself in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        # A closed pipe, a full disk or a bad record: the work goes on.
        with suppress(OSError, ValueError, TypeError, LookupError):
            print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201 - a command prints


def log_to_stderr(*, verbose: bool) -> None:
    """Send the library's log to stderr: warnings, or everything. What holds until the configuration has been read."""
    _set_up(_ToStderr(), "text", logging.DEBUG if verbose else logging.WARNING, verbose=verbose)


def log_as_configured(chosen: LogSettings, *, verbose: bool) -> None:
    """Follow the table `[log]`; `--verbose` is its level `debug`.

    Raises:
        ConfigError: the file of the log cannot be written.
    """
    handler: logging.Handler = _ToStderr()
    if chosen.file is not None:
        from dicom_common.cli._log_file import ToFile  # noqa: PLC0415 - imports sockets, as logging has it

        try:
            handler = ToFile(chosen.file)
        except OSError as error:
            raise ConfigError(
                f"The file {chosen.file} of log.file cannot be written ({error.strerror}): name another one."
            ) from error
    level = logging.DEBUG if verbose else logging.getLevelNamesMapping()[chosen.level.upper()]
    _set_up(handler, chosen.format, level, verbose=verbose)


def _set_up(handler: logging.Handler, form: str, level: int, *, verbose: bool) -> None:
    to_stderr = isinstance(handler, _ToStderr)
    shape = _Whole if verbose and to_stderr else _Escaped
    where = "" if to_stderr else "%(asctime)s "
    handler.name = _OURS
    handler.setFormatter(_Json() if form == "json" else shape(f"{where}%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.name == _OURS]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
    logging.getLogger("dicom_common").setLevel(level)
    TRACEBACKS.setLevel(logging.DEBUG if verbose and to_stderr else logging.CRITICAL + 1)
