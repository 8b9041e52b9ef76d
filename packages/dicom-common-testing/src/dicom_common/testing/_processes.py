"""Child processes of the contracts: started fresh, killed for real, asked how much memory they took.

A child is started by `spawn`, so it must find its function and its arguments by import: a factory that is handed to it
has to be built of installed code, such as `functools.partial(FilesystemStorage, Settings(root=...))`. A function of the
test file itself cannot be found.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

__all__ = ["HANG", "Child", "child", "memory_peak", "run_children", "unwritten_method"]

_SPAWN = multiprocessing.get_context("spawn")
HANG = 120.0
"""Seconds after which a child counts as hanging. A guard, no measure: children that work take far less."""
_INSTALLED = (
    "Build what the fixture returns of installed code, such as functools.partial(MyStorage, Settings(...)): a lambda,"
    " and what is defined in the test file, cannot be handed to another process."
)


@dataclass(frozen=True)
class _Failure:
    """What a child sends whose function has failed."""

    text: str
    unwritten: str = ""
    """The method of the backend that is not written yet, if that was why."""


class Child:
    """A running child, and the end of a pipe through which it reports."""

    def __init__(self, process: BaseProcess, reports: Connection) -> None:
        self.process = process
        self._reports = reports
        self.is_killed = False

    def report(self) -> Any:
        """Wait for one report.

        Raises:
            AssertionError: the child failed, or ended without a report.
            TimeoutError: it hangs.
        """
        if not self._reports.poll(HANG):
            raise TimeoutError("a child process of a contract test does not report")
        try:
            return _checked(self._reports.recv())
        except EOFError:
            self.process.join(HANG)
            raise AssertionError(
                f"a child process of a contract test ended without a report (exit code {self.process.exitcode})."
                f" {_INSTALLED}"
            ) from None

    def until_dead(self) -> Iterator[Any]:
        """Iterate over its reports until it has ended, by itself or because `process.kill` was called.

        Raises:
            AssertionError: the child failed.
            TimeoutError: it hangs.
        """
        while True:
            if not self._reports.poll(HANG):
                raise TimeoutError("a child process of a contract test does not report")
            try:
                report = self._reports.recv()
            except (EOFError, OSError):
                return  # the last report may have been cut
            yield _checked(report)

    def kill(self) -> list[Any]:
        """Kill it with SIGKILL and return the reports that it had sent before.

        Raises:
            AssertionError: its function had failed before.
        """
        self.is_killed = True
        self.process.kill()
        self.process.join(HANG)
        reports = []
        while True:
            try:
                if not self._reports.poll():
                    break
                report = self._reports.recv()
            except (EOFError, OSError):
                break  # the last report may have been cut
            reports.append(_checked(report))
        return reports

    def close(self) -> None:
        """Kill it if it still runs, and free the pipe."""
        self.process.kill()
        self.process.join(HANG)
        self._reports.close()


@contextmanager
def child(function: Callable[..., None], *arguments: Any) -> Iterator[Child]:
    """Run `function(reports, *arguments)` in a process of its own; at the end it is killed if it still runs.

    Raises:
        AssertionError: the function failed, and the failure was not reported before.
    """
    running = _start(function, arguments)
    try:
        yield running
        if not running.is_killed:
            running.kill()
    finally:
        running.close()


def run_children(function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Run `function(*arguments)` in as many processes at once as there are tuples; returns what each returned.

    Raises:
        AssertionError: a child failed; the message is its error.
    """
    children: list[Child] = []
    try:
        children.extend(_start(_answer, (function, values)) for values in arguments)
        return [each.report() for each in children]
    finally:
        for each in children:
            each.close()


def _start(function: Callable[..., None], arguments: tuple[Any, ...]) -> Child:
    receiving, sending = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=_run, args=(function, sending, arguments), daemon=True)
    try:
        process.start()
    except OSError:
        receiving.close()
        raise
    except Exception as error:  # what an argument raises that cannot be handed over, of whatever kind
        receiving.close()
        raise AssertionError(f"The backend cannot be opened in another process ({error}). {_INSTALLED}") from error
    finally:
        sending.close()
    return Child(process, receiving)


def _run(function: Callable[..., None], reports: Connection, arguments: tuple[Any, ...]) -> None:
    try:
        function(reports, *arguments)
    except BaseException as error:
        text = f"a child process of this test failed: {type(error).__name__}: {error}"
        reports.send(_Failure(text, unwritten_method(error)))
        raise


def _answer(reports: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    reports.send(function(*arguments))


def _checked(report: Any) -> Any:
    if isinstance(report, _Failure) and report.unwritten:
        raise NotImplementedError(report.unwritten)
    if isinstance(report, _Failure):
        raise AssertionError(report.text)  # noqa: TRY004  # the test fails with it
    return report


def unwritten_method(error: BaseException) -> str:
    """Return the name of the method that was missed first, where an error is that one is not written; else ""."""
    name = ""
    cause: BaseException | None = error if isinstance(error, NotImplementedError) else None
    while cause is not None:
        name = str(cause) if isinstance(cause, NotImplementedError) else name
        cause = cause.__context__
    return name


def memory_peak() -> int:
    """Tell the greatest resident memory of this process so far, in bytes.

    Not `ru_maxrss` where it can be avoided: on Linux that begins with the size of the process that forked this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
