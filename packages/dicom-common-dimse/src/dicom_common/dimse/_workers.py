"""Several processes that accept associations on one port."""

from __future__ import annotations

import signal
import socket
import threading
from contextlib import suppress

from dicom_common.cli import end_with_parent, run_processes, services_of_process
from dicom_common.dimse._ae import ApplicationEntity
from dicom_common.dimse._metrics_port import shown_metrics
from dicom_common.dimse._settings import DimseSettings
from dicom_common.host import Config

__all__ = ["serve_by_workers"]


def serve_by_workers(
    config: Config, settings: DimseSettings, listening: socket.socket, stop: threading.Event, *, verbose: bool
) -> None:
    """Accept associations with `workers` processes until the event is set; then each ends with its last request.

    All wait on the one socket: a connection goes to a process that has nothing else to do just then, and none is lost
    with a process that dies, as would be with a socket of its own for each (SO_REUSEPORT).

    Args:
        config: by which each process opens its backends.
        settings: the table `[dimse]`.
        listening: the socket.
        stop: ends it.
        verbose: whether each process logs everything.

    Raises:
        CommandError: the processes end as soon as they start; the log has the reason.
    """
    run_processes(
        _work,
        (config, settings, listening, verbose),
        number=settings.workers,
        name="scp",
        stop=stop,
        shutdown_seconds=settings.shutdown_seconds,
        died=_forget,
    )


def _forget(pid: int | None) -> None:
    """Have what a dead process was doing right then counted no more."""
    from prometheus_client import multiprocess  # noqa: PLC0415 - imported only with its environment variable set

    with suppress(OSError):
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # has no types


def _work(config: Config, settings: DimseSettings, listening: socket.socket, verbose: bool) -> None:
    with services_of_process(config, verbose=verbose) as services:
        ae = ApplicationEntity(services, settings, listening)
        signal.signal(signal.SIGTERM, lambda _, __: ae.stop())
        end_with_parent(ae.stop)
        with shown_metrics(settings, ae.metrics):
            ae.serve()
