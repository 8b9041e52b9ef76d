"""Several processes that share a port. Each opens its own backends; a process that dies is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from typing import Any

from dicom_common.cli._errors import CommandError
from dicom_common.cli._logging import LogSettings, log_as_configured
from dicom_common.core import DicomCommonError
from dicom_common.host import Config, Services

__all__ = ["end_with_parent", "run_processes", "services_of_process"]

_log = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes keep their metrics together: prometheus-client looks for it when it is imported."""
_SOON = 10.0
"""Seconds within which a process that ends has failed to start."""
_FAILURES = 3
_LAST = 5.0
"""Seconds beyond those for the end in good order, after which a process is ended by force."""


def run_processes(  # noqa: PLR0913 - each is a part of what is run
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    *,
    number: int,
    name: str,
    stop: threading.Event,
    shutdown_seconds: float,
    died: Callable[[int | None], None] = lambda _: None,
) -> None:
    """Run processes until the event is set; then each stops once its current requests are answered.

    Args:
        work: what each runs, a function of a module. It ends with SIGTERM.
        arguments: those of the function; they are sent to the process, sockets too.
        number: how many.
        name: that of the command, for the processes and the folder of their metrics.
        stop: ends them.
        shutdown_seconds: which they have for that.
        died: is called with the id of a process that died.

    Raises:
        CommandError: the processes end as soon as they start; the log has the reason.
    """
    with tempfile.TemporaryDirectory(prefix=f"dicom-common-{name}-") as folder:
        os.environ.setdefault(_METRICS, folder)

        def start() -> SpawnProcess:
            one = _SPAWN.Process(target=work, args=arguments, name=f"dicom-common-{name}")
            one.start()
            return one

        running = [(start(), time.monotonic()) for _ in range(number)]
        try:
            _watch(running, start, stop, died)
            for one, _ in running:
                one.terminate()
            end = time.monotonic() + shutdown_seconds + _LAST
            for one, _ in running:
                one.join(max(0.0, end - time.monotonic()))
        finally:
            for one, _ in running:
                one.kill()
                one.join()
            if os.environ.get(_METRICS) == folder:
                del os.environ[_METRICS]


def _watch(
    running: list[tuple[SpawnProcess, float]],
    start: Callable[[], SpawnProcess],
    stop: threading.Event,
    died: Callable[[int | None], None],
) -> None:
    """Replace processes that die, until the event is set."""
    failures = 0
    while not stop.wait(0.2):
        for place, (one, since) in enumerate(running):
            if one.is_alive():
                continue
            failures = failures + 1 if time.monotonic() - since < _SOON else 0
            if failures >= _FAILURES:
                raise CommandError("The server's processes end as soon as they start: the log has the reason.")
            _log.error("a process of the server ended with code %s: another one is started", one.exitcode)
            died(one.pid)
            running[place] = (start(), time.monotonic())


@contextmanager
def services_of_process(config: Config, *, verbose: bool) -> Iterator[Services]:
    """Open the services of a process that `run_processes` runs, and set up its log.

    The terminal's Ctrl-C is for the parent, which ends this one. What cannot be opened ends the process with code 2.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_as_configured(config.section("log", LogSettings), verbose=verbose)
    try:
        with Services(config) as services:
            yield services
    except DicomCommonError as error:
        _log.error("the server cannot start: %s", error)
        raise SystemExit(2) from None


def end_with_parent(stop: Callable[[], None]) -> None:
    """Call a function when the parent process ends, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        stop()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
