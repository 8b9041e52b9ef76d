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
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

__all__ = ["Child", "child", "memory_peak", "run_children"]

_SPAWN = multiprocessing.get_context("spawn")
HANG = 120.0
"""Seconds after which a child counts as hanging. A guard, no measure: children that work take far less."""


class Child:
    """A running child, and the end of a pipe through which it reports."""

    def __init__(self, process: BaseProcess, reports: Connection) -> None:
        self.process = process
        self._reports = reports

    def report(self) -> Any:
        """Wait for one report.

        Raises:
            EOFError: the child ended without one.
            TimeoutError: it hangs.
        """
        if not self._reports.poll(HANG):
            raise TimeoutError("a child process of a contract test does not report")
        return self._reports.recv()

    def kill(self) -> list[Any]:
        """Kill it with SIGKILL and return the reports that it had sent before."""
        self.process.kill()
        self.process.join(HANG)
        reports = []
        while True:
            try:
                if not self._reports.poll():
                    break
                reports.append(self._reports.recv())
            except (EOFError, OSError):
                break  # the last report may have been cut
        return reports


@contextmanager
def child(function: Callable[..., None], *arguments: Any) -> Iterator[Child]:
    """Run `function(reports, *arguments)` in a process of its own; at the end it is killed if it still runs."""
    receiving, sending = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=function, args=(sending, *arguments), daemon=True)
    process.start()
    sending.close()
    try:
        yield Child(process, receiving)
    finally:
        process.kill()
        process.join(HANG)
        receiving.close()


def run_children(function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Run `function(*arguments)` in as many processes at once as there are tuples; returns what each returned.

    Raises:
        AssertionError: a child failed; the message is its error.
    """
    children = []
    for values in arguments:
        receiving, sending = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_answer, args=(sending, function, values), daemon=True)
        process.start()
        sending.close()
        children.append(Child(process, receiving))
    answers = []
    try:
        for each in children:
            failed, answer = each.report()
            assert not failed, answer
            answers.append(answer)
    finally:
        for each in children:
            each.kill()
    return answers


def _answer(reports: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        reports.send((False, function(*arguments)))
    except BaseException as error:
        reports.send((True, f"{type(error).__name__}: {error}"))
        raise


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
