"""Sees what would let a contract pass without being proven: changes of the contract, of pytest and of the clocks.

Code that runs in the process of the tests can evade all of this on purpose. What is seen here is what authors do
without thinking, and what a reader of their test file would not see.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import pytest

from dicom_common.testing._contract import Contract

__all__ = [
    "ReportWatch",
    "called",
    "changed",
    "is_of_the_kit",
    "no_end_of_the_process",
    "raised_by_a_backend",
    "recording",
    "weakened",
]

_CALLED = "dicom_common_called"
"""The user property of a report that has what a contract test came to, whatever hooks made of it."""
_PACKAGE = __name__.rpartition(".")[0]
_FOLDER = str(Path(__file__).parent) + "/"
_PLUGIN = tuple(_FOLDER + name for name in ("_tampering.py", "_watching.py", "plugin.py"))
_CLOCKS = ("monotonic", "perf_counter", "sleep", "time", "time_ns")
_AT_LEAST: Mapping[str, Any] = {"crash_rounds": 1, "large_object_bytes": 64 << 20, "many": 1, "scan_objects": 30}
_AT_MOST: Mapping[str, Any] = {
    "clock_tolerance": timedelta(hours=1),
    "patience": 600,
    "request_limit": 30,
    "test_limit": 7200,
    "time_limit": 120,
}


def is_of_the_kit(cls: type) -> bool:
    """Tell whether a class is one of this distribution; one that only names a module of it is not."""
    module = sys.modules.get(cls.__module__)
    return cls.__module__.startswith(_PACKAGE) and getattr(module, cls.__qualname__, None) is cls


def weakened(cls: type) -> Iterator[str]:
    """Give the attributes of a test class with which a contract proves next to nothing."""
    for bounds, word in ((_AT_LEAST, "least"), (_AT_MOST, "most")):
        for name, bound in bounds.items():
            value = getattr(cls, name, bound)
            if value < bound if word == "least" else value > bound:
                yield f"`{name}` is {value}, with which the contract proves too little: set it to at {word} {bound}."


def changed() -> Iterator[str]:
    """Give what was replaced: methods of the contracts and of the fault proxy, and the clocks that they read."""
    for name in _CLOCKS:
        if not inspect.isbuiltin(getattr(time, name)):
            yield f"`time.{name}` was replaced: a contract reads the real clock"
    for cls in _guarded():
        for name, value in vars(cls).items():
            function = value if name.startswith("test_") else inspect.unwrap(value)
            if inspect.isfunction(function) and not function.__code__.co_filename.startswith(_FOLDER):
                yield f"`{cls.__name__}.{name}` of dicom-common-testing was replaced"


def _guarded() -> Iterator[type]:
    """Give the classes that decide what is proven: the contracts, and the proxy that injects faults."""
    waiting: list[type] = [Contract]
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if is_of_the_kit(cls):
            yield cls
    proxy = sys.modules.get(f"{_PACKAGE}._faults._proxy")
    if proxy is not None:
        yield proxy.FaultProxy


@contextmanager
def no_end_of_the_process() -> Iterator[None]:
    """Let `os._exit` fail in this process, which is that of pytest: it would end the run, and count as a success."""
    real, process = os._exit, os.getpid()

    def end(status: int) -> NoReturn:
        if os.getpid() == process:
            raise SystemExit(f"A call of os._exit({status}) in the backend would have ended the tests.")
        real(status)

    os._exit = end
    try:
        yield
    finally:
        os._exit = real


def recording(item: pytest.Function, expected: str) -> Callable[..., None]:
    """Return the function of a test, so that what it comes to is noted in its report.

    Args:
        item: the test.
        expected: why it is to fail, if it is; else "".
    """
    function = item.obj
    item.user_properties.append((_CALLED, ["not called", expected]))

    @wraps(function)
    def record(*args: Any, **kwargs: Any) -> None:
        came_to = "failed"
        try:
            function(*args, **kwargs)
            came_to = "passed"
        except pytest.skip.Exception:
            came_to = "skipped"
            raise
        finally:
            item.user_properties.append((_CALLED, [came_to, expected]))

    return record


def called(report: pytest.TestReport) -> tuple[str, str]:
    """Tell what a contract test came to, and why it was to fail; two empty texts for any other test."""
    values = [value for name, value in report.user_properties if name == _CALLED and isinstance(value, list)]
    return (values[-1][0], values[-1][1]) if values else ("", "")


class ReportWatch:
    """Lets a run fail in which a hook has turned what a contract test came to into something better."""

    def __init__(self) -> None:
        self._told: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Compare what is reported with what the test came to."""
        came_to, expected = called(report)
        if report.when != "call" or report.failed or came_to not in ("failed", "not called"):
            return
        if report.passed or getattr(report, "wasxfail", "") != expected or not expected:
            self._told.append(f"{report.nodeid}: {came_to}, and reported as {report.outcome}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Let the run fail, behind the hooks of all others."""
        yield
        if self._told or (session.testsfailed and session.exitstatus == pytest.ExitCode.OK):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Say which tests they are."""
        yield
        if self._told:
            terminalreporter.section("reported otherwise than they came to: a hook of a conftest or a plugin did that")
            for line in self._told:
                terminalreporter.line(f"  {line}")


def raised_by_a_backend(error: BaseException) -> bool:
    """Tell whether an error comes out of what the contract called, and not of the contract or an author's fixture."""
    files = [file for file in _files(error.__traceback__) if file not in _PLUGIN and "/_pytest/" not in file]
    from_kit = [file.startswith(_FOLDER) for file in files]
    return bool(from_kit) and any(from_kit) and not from_kit[-1]


def _files(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
