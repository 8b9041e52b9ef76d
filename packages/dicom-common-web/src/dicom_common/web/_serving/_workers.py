"""Several processes that share a port. Each opens backends of its own; one that dies is replaced."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import SpawnProcess

from dicom_common.cli import CommandError, LogSettings, log_as_configured
from dicom_common.core import DicomCommonError
from dicom_common.host import Config, Services
from dicom_common.web._serving._server import Serving, serve

__all__ = ["serve_by_workers"]

_log = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes keep their metrics together: prometheus-client looks for it when it is imported."""
_SOON = 10.0
"""Seconds within which a process that ends has failed to start."""
_FAILURES = 3
_LAST = 5.0
"""Seconds beyond `shutdown_seconds` after which a process is ended by force."""


def serve_by_workers(config: Config, serving: Serving, stop: threading.Event, *, verbose: bool) -> None:
    """Serve with `workers` processes until the event is set; then each ends when its requests are answered.

    Args:
        config: by which each process opens its backends.
        serving: what is served.
        stop: ends it.
        verbose: whether each process logs everything.

    Raises:
        CommandError: processes end as soon as they are started; the log says why.
    """
    with tempfile.TemporaryDirectory(prefix="dicom-common-web-") as folder:
        os.environ.setdefault(_METRICS, folder)

        def start() -> SpawnProcess:
            one = _SPAWN.Process(target=_work, args=(config, serving, verbose), name="dicom-common-serve")
            one.start()
            return one

        workers = [(start(), time.monotonic()) for _ in range(serving.settings.workers)]
        try:
            _watch(workers, start, stop)
            for one, _ in workers:
                one.terminate()
            end = time.monotonic() + serving.settings.shutdown_seconds + _LAST
            for one, _ in workers:
                one.join(max(0.0, end - time.monotonic()))
        finally:
            for one, _ in workers:
                one.kill()
                one.join()
            if os.environ[_METRICS] == folder:
                del os.environ[_METRICS]


def _watch(workers: list[tuple[SpawnProcess, float]], start: Callable[[], SpawnProcess], stop: threading.Event) -> None:
    """Replace processes that die, until the event is set."""
    failures = 0
    while not stop.wait(0.2):
        for place, (one, since) in enumerate(workers):
            if one.is_alive():
                continue
            failures = failures + 1 if time.monotonic() - since < _SOON else 0
            if failures >= _FAILURES:
                raise CommandError("The server's processes end as soon as they are started: the log says why.")
            _log.error("a process of the server ended with code %s: another one is started", one.exitcode)
            _forget(one.pid)
            workers[place] = (start(), time.monotonic())


def _forget(pid: int | None) -> None:
    """Have what a dead process was doing right then counted no more."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - imported only with its environment variable set

    with suppress(OSError):
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # has no types


def _work(config: Config, serving: Serving, verbose: bool) -> None:
    """Serve in a process of its own. The terminal's Ctrl-C is for the parent, which ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_as_configured(config.section("log", LogSettings), verbose=verbose)
    try:
        with Services(config) as services:
            serve(services, serving, signals=(signal.SIGTERM,), until=_end_with_parent)
    except DicomCommonError as error:
        _log.error("the server cannot start: %s", error)
        raise SystemExit(2) from None


def _end_with_parent(stop: Callable[[], None]) -> None:
    """End the server when the parent process does, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        stop()

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()
