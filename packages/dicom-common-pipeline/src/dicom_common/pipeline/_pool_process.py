"""The other end of the pipe: what a worker process does."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from dicom_common.core import DicomCommonError
from dicom_common.host import Config, Services
from dicom_common.pipeline._shared_index import Answer, ParentIndex, Question

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Kind", "LogLine", "Start", "Task", "work"]

Task = Callable[..., Callable[[Any], Any]]
"""Makes, once in each worker, the function that does a job, from its `Services` and, where it is shared, the
`ParentIndex`. A function of a module, so that it can be pickled."""


class Kind(Enum):
    """What a message to the parent holds."""

    ANSWER = auto()
    """That the process is ready, or what a job returned."""
    FAILURE = auto()
    """The error of a job, or of the start."""
    QUESTION = auto()
    """A question to the index, which the parent answers before the job goes on."""


class Start(NamedTuple):
    """The first message of the parent."""

    config: Config
    task: Task
    level: int
    """Of the log."""
    shares_index: bool
    """Whether the index is the parent's."""


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
    """Say that the process is ready, or why it is not; then do jobs until the other end of the pipe is gone."""
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        start: Start = connection.recv()
        logging.getLogger("dicom_common").setLevel(start.level)
        logging.getLogger().addHandler(_log)
        with Services(start.config) as services:
            _serve(connection, start.task, services, *([_parent_index(connection)] if start.shares_index else []))


def _parent_index(connection: Connection) -> ParentIndex:
    def ask(question: Question) -> Any:
        try:
            connection.send((Kind.QUESTION, question, _log.take()))
            answer: Answer = connection.recv()
        except (EOFError, OSError):
            sys.exit()  # without the parent there is no index: the next try finds what is written
        if answer.error is not None:
            raise answer.error
        return answer.value

    return ParentIndex(ask)


def _serve(connection: Connection, task: Task, *arguments: Any) -> None:
    kind, function = _outcome(task, *arguments)
    connection.send((kind, None if kind is Kind.ANSWER else function, _log.take()))
    while kind is Kind.ANSWER:
        outcome, log = _outcome(function, connection.recv()), _log.take()
        try:
            connection.send((*outcome, log))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - it cannot be pickled, and not a byte was sent
            connection.send((Kind.FAILURE, _portable(error), log))


def _outcome(function: Callable[..., Any], *arguments: Any) -> tuple[Kind, Any]:
    try:
        return Kind.ANSWER, function(*arguments)
    except Exception as error:  # noqa: BLE001 - the parent decides what follows
        return Kind.FAILURE, _portable(error)


def _portable(error: Exception) -> DicomCommonError:
    """Return an error that can cross the pipe and may be shown: a foreign one's message may quote a data set."""
    if isinstance(error, DicomCommonError):
        try:
            # As the pipe will do it: an error whose constructor wants more than a message breaks on the other side.
            from multiprocessing.reduction import ForkingPickler  # noqa: PLC0415 - see `_process_pool`

            if isinstance(ForkingPickler.loads(ForkingPickler.dumps(error)), type(error)):
                return error
        except Exception as problem:  # noqa: BLE001 - whatever an exception's own code raises
            error = problem
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return DicomCommonError(f"A worker process failed with {type(error).__name__}{where}: please report it.")
