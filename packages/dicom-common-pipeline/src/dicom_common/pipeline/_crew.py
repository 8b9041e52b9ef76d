"""Worker processes: reading headers is work for the processor, and one process has one of those.

Not `concurrent.futures`: its workers outlive a parent that is killed, and one that dies takes the whole pool along.
Here every worker has a pipe of its own. It ends when the other end of the pipe is gone, and a worker that dies costs
its batch only, which is told.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from dicom_common.core import Config, DicomCommonError, Services

__all__ = ["Crew", "WorkerDiedError", "default_jobs", "in_order"]

Job = TypeVar("Job")
Answer = TypeVar("Answer")

Task = Callable[[Services], Callable[[Any], Any]]
"""Makes, once in each worker, the function that does a job. A function of a module, so that it can be pickled."""


def default_jobs() -> int:
    """Return how many worker processes are used where nobody says: one for each processor, at most eight."""
    return min(8, len(os.sched_getaffinity(0)))


class WorkerDiedError(DicomCommonError):
    """A worker process ended in the middle of a job: it was killed, ran out of memory, or crashed."""


class Crew(Generic[Job, Answer]):
    """Does jobs in several processes, each with services of its own."""

    def __init__(self, config: Config, task: Task, workers: int) -> None:
        self._config = config
        self._task = task
        self._workers = workers
        self._idle: list[Connection] = []
        self._busy: dict[Connection, Job] = {}
        self._processes: dict[Connection, SpawnProcess] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Answer | WorkerDiedError]]:
        """Do the jobs and yield each with its answer as it is done; their order is not kept.

        KeyboardInterrupt hands out no more jobs, yields the answers of those that are being done, and goes on from
        there. Closing the iterator waits for them too.

        Raises:
            DicomCommonError: what a worker raised in making its services, or in a job.
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
                    if isinstance(connection, Connection):
                        yield self._collect(connection)
        finally:
            self._dismiss()
        if interrupted is not None:
            raise interrupted

    def _hand_out(self, waiting: Iterator[Job]) -> None:
        while self._idle or len(self._processes) < self._workers:
            job = next(waiting, None)
            if job is None:
                return
            connection = self._idle.pop() if self._idle else self._start()
            self._busy[connection] = job
            connection.send(job)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._config, self._task), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _collect(self, connection: Connection) -> tuple[Job, Answer | WorkerDiedError]:
        job = self._busy.pop(connection)
        try:
            answer = connection.recv()
        except (EOFError, ConnectionResetError):
            process = self._processes.pop(connection)
            process.join()
            connection.close()
            return job, WorkerDiedError(f"A worker process ended with exit code {process.exitcode}.")
        self._idle.append(connection)
        if isinstance(answer, BaseException):
            raise answer
        return job, answer

    def _dismiss(self) -> None:
        for connection in self._processes:
            connection.close()
        for process in self._processes.values():
            process.join()
        self._processes.clear()
        self._idle.clear()
        self._busy.clear()


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


def _work(connection: Connection, config: Config, task: Task) -> None:
    # Ctrl-C reaches every process of the terminal: the parent decides, the worker finishes its job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Services(config) as services:
        function: Callable[[Any], Any] | None = None
        while True:
            try:
                job = connection.recv()
            except (EOFError, ConnectionResetError):
                return
            try:
                function = function or task(services)
                answer = function(job)
            except Exception as error:  # noqa: BLE001 - it is the parent's to deal with
                answer = error
            try:
                connection.send(answer)
            except (BrokenPipeError, ConnectionResetError):
                return
