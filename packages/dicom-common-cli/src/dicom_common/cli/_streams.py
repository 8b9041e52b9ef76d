"""The three standard streams of a process as a command needs them: open, and able to print any text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import TextIOWrapper

__all__ = ["abandon_what_cannot_be_written", "only_results", "prepare_streams"]

_NAMES = ("stdin", "stdout", "stderr")


def prepare_streams() -> None:
    """Open the standard streams that are closed, and make every text printable in their encodings.

    A file or a connection that gets the number of a closed stream would get its output too: an index might be written
    into by an error message. What is closed leads to nothing instead, as if the caller had said so.
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets this number: those below are open
            os.set_inheritable(opened, True)  # worker processes need it as well
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def abandon_what_cannot_be_written() -> bool:
    """Flush stdout and stderr, and return whether that went well.

    The interpreter flushes them once more when it ends. What cannot be written would then end the process with an exit
    code of Python's own; so it goes nowhere.
    """
    went_well = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # ValueError: somebody closed it
            went_well = False
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return went_well


@contextmanager
def only_results() -> Iterator[None]:
    """Send what is printed in the block to stderr: a plugin may print when it is imported; stdout is for results."""
    with redirect_stdout(sys.stderr):
        yield
