"""The workers: as many as allowed, started when first needed, each replaced after so many tasks or when it died."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from dicom_common.codecs._messages import Message
from dicom_common.codecs._settings import CodecSettings
from dicom_common.codecs._worker_process import GoneError, WorkerProcess
from dicom_common.core import UnavailableError

__all__ = ["Pool"]

_CLOSED = "The codecs are closed: they are used within their `with` block."


class Pool:
    """Runs tasks in workers. Thread-safe."""

    def __init__(self, settings: CodecSettings) -> None:
        self._settings = settings
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._change = threading.Condition()
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._places = self._settings.workers
        self._waiting = 0
        self._closed = False

    def run(self, told: dict[str, Any], block: bytes) -> Message:
        """Run a task in a worker, and return its answer.

        Raises:
            DicomError: the worker died, or took too long.
            UnavailableError: too many calls wait, or the pool is closed.
        """
        while True:
            worker = self._take()
            try:
                answer = worker.run(told, block)
            except GoneError:
                self._discard(worker)
            except BaseException:
                self._discard(worker)
                if self._closed:
                    raise UnavailableError(_CLOSED) from None
                raise
            else:
                self._give_back(worker)
                return answer

    def close(self) -> None:
        """End all workers, those at work too, and wait until they have ended."""
        self._leave_to_parent()
        with self._change:
            self._closed = True
            workers = list(self._all)
            self._all.clear()
            self._idle.clear()
            self._change.notify_all()
        for worker in workers:
            worker.kill()

    def pids(self) -> list[int]:
        """Give the processes of the workers."""
        with self._change:
            return [worker.pid for worker in self._all]

    def _take(self) -> WorkerProcess:
        self._leave_to_parent()
        deadline = time.monotonic() + self._settings.wait_seconds
        with self._change:
            busy = not self._idle and not self._places
            if busy and not self._closed and self._waiting >= self._settings.waiting:
                raise UnavailableError("Too many images wait for a codec worker: try again later.")
            self._waiting += 1
            try:
                while not self._closed and not self._idle and not self._places:
                    if not self._change.wait(deadline - time.monotonic()):
                        raise UnavailableError("No codec worker became free in time: try again later.")
            finally:
                self._waiting -= 1
            if self._closed:
                raise UnavailableError(_CLOSED)
            if self._idle:
                return self._idle.pop()
            self._places -= 1
        return self._start()

    def _start(self) -> WorkerProcess:
        """Start a worker, for which a place is taken."""
        try:
            worker = WorkerProcess(self._settings)
        except BaseException:
            with self._change:
                self._places += 1
                self._change.notify()
            raise
        with self._change:
            closed = self._closed
            if not closed:
                self._all.add(worker)
        if closed:
            self._discard(worker)
            raise UnavailableError(_CLOSED)
        try:
            worker.wait_until_ready()
        except BaseException:
            self._discard(worker)
            raise
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        if worker.tasks >= self._settings.tasks_per_worker:
            self._discard(worker)
            return
        with self._change:
            if worker in self._all:
                self._idle.append(worker)
                self._change.notify()

    def _discard(self, worker: WorkerProcess) -> None:
        worker.kill()
        with self._change:
            self._all.discard(worker)
            self._places += 1
            self._change.notify()

    def _leave_to_parent(self) -> None:
        """Begin anew in a forked child: the workers, and their connections, are its parent's."""
        if self._process != os.getpid():
            for worker in self._all:
                worker.forget()
            self._begin()
