"""The other end of a crew's pipe: what a worker process does."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from dicom_common.core import DicomCommonError
from dicom_common.host import Services

__all__ = ["LogLine", "Task", "work"]

Task = Callable[[Services], Callable[[Any], Any]]
"""Makes, once in each worker, the function that does a job. A function of a module, so that it can be pickled."""

_Outcome = tuple[bool, Any]
"""Whether it succeeded, and the answer or the error."""
LogLine = tuple[str, int, str]
"""Logger, level and text. The parent logs it: it knows where to, and in which form."""


class _Log(logging.Handler):
    """Keeps what is logged until the next answer takes it along."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record: of an exception only its kind, because a foreign one's message may quote a data set."""
        kind = record.exc_info[0] if record.exc_info else None
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - its arguments do not fit its text: that must not fail the job
            text = f"a record that cannot be shown: {record.pathname}, line {record.lineno}"
        self._lines.append((record.name, record.levelno, text + (f" ({kind.__name__})" if kind else "")))

    def take(self) -> list[LogLine]:
        """Return what was kept, and keep it no longer."""
        taken, self._lines = self._lines, []
        return taken


_log = _Log()


def work(connection: Connection) -> None:
    """Say that the worker is ready, or why it is not; then do jobs until the other end of the pipe is gone."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        config, task, level = connection.recv()
        logging.getLogger("dicom_common").setLevel(level)
        logging.getLogger().addHandler(_log)
        with Services(config) as services:
            _serve(connection, services, task)


def _serve(connection: Connection, services: Services, task: Task) -> None:
    succeeded, function = _outcome(task, services)
    connection.send((succeeded, None if succeeded else function, _log.take()))
    while succeeded:
        outcome, log = _outcome(function, connection.recv()), _log.take()
        try:
            connection.send((*outcome, log))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - it cannot be pickled, and not a byte was sent
            connection.send((False, _portable(error), log))


def _outcome(function: Callable[[Any], Any], argument: Any) -> _Outcome:
    try:
        return True, function(argument)
    except Exception as error:  # noqa: BLE001 - it is the parent's to deal with
        return False, _portable(error)


def _portable(error: Exception) -> DicomCommonError:
    """Return an error that can cross the pipe and may be shown: a foreign one's message may quote a data set."""
    if isinstance(error, DicomCommonError):
        try:
            # As the pipe will do it: an error whose constructor wants more than a message breaks on the other side.
            if isinstance(ForkingPickler.loads(ForkingPickler.dumps(error)), type(error)):
                return error
        except Exception as problem:  # noqa: BLE001 - whatever an exception's own code raises
            error = problem
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return DicomCommonError(f"A worker process failed with {type(error).__name__}{where}: please report it.")
