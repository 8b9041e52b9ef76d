"""Worker processes: reading headers is work for the processor, and one process has one of those.

Not `concurrent.futures`: its workers outlive a parent that is killed, one that dies takes the whole pool along, and
starting them runs the caller's main module again. Here every worker is a new interpreter with a pipe of its own. It
ends when the other end of the pipe is gone, and a worker that dies costs its job only, which is told.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from dicom_common.core import Config, DicomCommonError, Services
from dicom_common.pipeline._worker import READY, Task

__all__ = ["Crew", "WorkerDiedError", "default_jobs", "in_order"]

Job = TypeVar("Job")
Answer = TypeVar("Answer")

_PROGRAM = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
sys.path[:] = connection.recv()
from dicom_common.pipeline._worker import work
work(connection)
"""


def default_jobs() -> int:
    """Return how many worker processes are used where nobody says: one for each processor, at most eight."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, usable)


class WorkerDiedError(DicomCommonError):
    """A worker process ended in the middle of a job: it was killed, ran out of memory, or crashed."""


class _Worker:
    """A worker process, and what it is at."""

    def __init__(self, config: Config, task: Task) -> None:
        ours, theirs = multiprocessing.Pipe()
        # Ctrl-C reaches every process of the terminal: the parent decides, a worker finishes its job. A signal that is
        # blocked here stays blocked there, from the first instruction on, and reaches us when we unblock it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        self.connection = ours
        self.is_ready = False
        self.job: Any = None
        self.tell(sys.path)
        self.tell((config, task))

    def tell(self, message: object) -> None:
        """Send something; a worker that is dead is noticed when its answer is collected."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def hear(self) -> Any:
        """Receive what it says; WorkerDiedError where it is dead."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            code = self.leave()
            return WorkerDiedError(f"A worker process ended with exit code {code}.")

    def leave(self) -> int:
        """Close the pipe, which ends it after its job, and wait for that."""
        self.connection.close()
        return self._process.wait()


class Crew(Generic[Job, Answer]):
    """Does jobs in several processes, each with services of its own."""

    def __init__(self, config: Config, task: Task, workers: int) -> None:
        self._config = config
        self._task = task
        self._workers = workers
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, _Worker] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer | WorkerDiedError]]:
        """Do the jobs and yield each with its answer as it is done; their order is not kept.

        KeyboardInterrupt hands out no more jobs, yields the answers of those that are being done, and goes on from
        there. Closing the iterator waits for them too.

        Raises:
            DicomCommonError: what a worker raised in making its services, or in a job.
            WorkerDiedError: a worker died before it could work.
        """
        waiting = iter(jobs)
        interrupted: KeyboardInterrupt | None = None
        try:
            while True:
                try:
                    if interrupted is None:
                        self._hand_out(waiting)
                    if not self._busy:
                        break
                    ready = wait(list(self._busy))
                except KeyboardInterrupt as error:
                    interrupted = error
                    continue
                for connection in ready:
                    worker = self._busy[connection]  # type: ignore[index]  # only connections are waited for
                    answer = worker.hear()
                    if isinstance(answer, WorkerDiedError) and worker.is_ready:
                        del self._busy[worker.connection]
                        yield worker.job, answer
                    elif isinstance(answer, BaseException):
                        raise answer
                    elif worker.is_ready:
                        self._idle.append(self._busy.pop(worker.connection))
                        yield worker.job, answer
                    worker.is_ready |= answer == READY
        finally:
            self._dismiss()
        if interrupted is not None:
            raise interrupted

    def _hand_out(self, waiting: Iterator[Job]) -> None:
        while self._idle or len(self._busy) < self._workers:
            job = next(waiting, None)
            if job is None:
                return
            worker = self._idle.pop() if self._idle else _Worker(self._config, self._task)
            worker.job = job
            self._busy[worker.connection] = worker
            worker.tell(job)

    def _dismiss(self) -> None:
        workers = [*self._busy.values(), *self._idle]
        self._busy.clear()
        self._idle.clear()
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            worker.leave()


def in_order(
    config: Config, services: Services, task: Task, jobs: Iterable[Job], workers: int
) -> Iterator[tuple[Job, Any]]:
    """Do jobs in several processes and yield each with its answer, in the order of the jobs.

    A single job, or all with one worker, is done in this process, with these services.

    Raises:
        WorkerDiedError: a worker died.
        DicomCommonError: what a worker raised.
    """
    waiting = iter(jobs)
    first = list(islice(waiting, 2))
    waiting = chain(first, waiting)
    if workers == 1 or len(first) < 2:
        function = task(services)
        yield from ((job, function(job)) for job in waiting)
        return
    numbers: dict[int, int] = {}  # by identity: a job is alive until it has been yielded

    def numbered() -> Iterator[Job]:
        for number, job in enumerate(waiting):
            numbers[id(job)] = number
            yield job

    done: dict[int, tuple[Job, Any]] = {}
    turn = 0
    crew: Crew[Job, Any] = Crew(config, task, workers)
    for job, answer in crew.run(numbered()):
        if isinstance(answer, WorkerDiedError):
            raise answer
        done[numbers.pop(id(job))] = (job, answer)
        while turn in done:
            yield done.pop(turn)
            turn += 1
