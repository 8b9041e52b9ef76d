"""Several processes that share the port."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress

from dicom_common.cli import end_with_parent, run_processes, services_of_process
from dicom_common.host import Config
from dicom_common.web._serving._server import Serving, serve

__all__ = ["serve_by_workers"]


def serve_by_workers(config: Config, serving: Serving, stop: threading.Event, *, verbose: bool) -> None:
    """Serve with `workers` processes until the event is set; then each stops once its requests are answered.

    Args:
        config: by which each process opens its backends.
        serving: what is served.
        stop: ends it.
        verbose: whether each process logs everything.

    Raises:
        CommandError: the processes end as soon as they start; the log has the reason.
    """
    run_processes(
        _work,
        (config, serving, verbose),
        number=serving.settings.workers,
        name="serve",
        stop=stop,
        shutdown_seconds=serving.settings.shutdown_seconds,
        died=_forget,
    )


def _forget(pid: int | None) -> None:
    """Have what a dead process was doing right then counted no more."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - imported only with its environment variable set

    with suppress(OSError):
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # has no types


def _work(config: Config, serving: Serving, verbose: bool) -> None:
    """Serve in a process of its own."""
    with services_of_process(config, verbose=verbose) as services:
        serve(services, serving, signals=(signal.SIGTERM,), until=end_with_parent)
