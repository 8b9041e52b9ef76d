"""The other end of a `Crew`: what a worker process does."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from dicom_common.core import DicomCommonError, Services

__all__ = ["READY", "Task", "work"]

READY = "ready"
"""The first thing that a worker says: one that dies before it has never been able to work."""

Task = Callable[[Services], Callable[[Any], Any]]
"""Makes, once in each worker, the function that does a job. A function of a module, so that it can be sent."""


def work(connection: Connection) -> None:
    """Do jobs until the other end of the connection is gone."""
    config, task = connection.recv()
    with Services(config) as services:
        try:
            function = task(services)
        except Exception as error:  # noqa: BLE001 - it is the parent's to deal with
            _send(connection, error)
            return
        _send(connection, READY)
        while True:
            try:
                job = connection.recv()
            except (EOFError, ConnectionResetError):
                return
            try:
                answer = function(job)
            except Exception as error:  # noqa: BLE001 - as above
                answer = error
            if not _send(connection, answer):
                return


def _send(connection: Connection, answer: object) -> bool:
    try:
        connection.send(answer)
    except (BrokenPipeError, ConnectionResetError):
        return False
    except Exception:  # noqa: BLE001 - an error of a library may be one that cannot be sent
        connection.send(DicomCommonError(f"A worker process failed ({type(answer).__name__})."))
    return True
