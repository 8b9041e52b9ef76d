"""Worker processes: reading headers is work for the processor, and one process has one of those.

Not `concurrent.futures`: its workers outlive a parent that is killed, one that dies takes the whole pool along, and
starting them runs the caller's main module again. Here every worker is a new interpreter with a pipe of its own. It
ends when the other end of the pipe is gone, and a worker that dies costs its job only, whose answer says so.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dicom_common.core import DicomCommonError
from dicom_common.host import Config, Services
from dicom_common.pipeline._pool_process import Kind, Start, Task
from dicom_common.pipeline._shared_index import Question, SharedIndex

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["ProcessPool", "WorkerDiedError", "default_jobs", "in_order"]

Job = TypeVar("Job")
Answer = TypeVar("Answer")

_AHEAD = 4
"""Jobs for each worker that may be done before the one whose turn it is."""
_PROGRAM = """
import sys
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
try:
    sys.path[:] = connection.recv()
except (EOFError, OSError):
    sys.exit()
from dicom_common.pipeline._pool_process import work
work(connection)
"""


def default_jobs() -> int:
    """Return how many worker processes are used by default: one for each processor, at most eight."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, usable)


class WorkerDiedError(DicomCommonError):
    """A worker process ended in the middle of a job, or before its first: it was killed, or crashed."""


class _Process:
    """A worker process, and its job."""

    def __init__(self, start: Start) -> None:
        from multiprocessing import Pipe  # noqa: PLC0415 - not where one process does it all, as with one file

        ours, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        self.connection = ours
        self.is_ready = False
        """Whether it has reported for work; it is given no job before."""
        self.job: Any = None
        self.send(sys.path)
        self.send(start)

    def send(self, message: object) -> None:
        """Send something; a process that is dead is noticed when its answer is received."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def receive(self) -> tuple[Kind, Any]:
        """Receive a message: its kind, and the answer, the error or the question.

        Raises:
            WorkerDiedError: it is dead.
        """
        try:
            kind, content, log = self.connection.recv()
        except (EOFError, OSError):
            raise WorkerDiedError(f"A worker process ended with exit code {self.close()}.") from None
        for logger, level, text in log:
            logging.getLogger(logger).log(level, "%s", text)
        return kind, content

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> int:
        """Close the pipe, which ends it after its job, and wait for that."""
        self.connection.close()
        return self._process.wait()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done.

    It reaches every process of the terminal: the parent decides, a worker finishes its job. A process that is started
    here never gets it, from its first instruction on.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class ProcessPool(Generic[Job, Answer]):
    """Does jobs in several processes, each with services of its own. Belongs to one thread, for one run.

    Args:
        config: from which each process opens its services.
        task: makes the function that does a job.
        workers: the number of processes.
        index: the index that the processes use, by way of this one; without it they may open their own.
    """

    def __init__(self, config: Config, task: Task, workers: int, *, index: SharedIndex | None = None) -> None:
        level = logging.getLogger("dicom_common").getEffectiveLevel()
        self._start = Start(config, task, level, index is not None)
        self._workers, self._index = workers, index
        self._processes: set[_Process] = set()
        self._idle: list[_Process] = []
        self._busy: dict[Connection, _Process] = {}
        self._asking: dict[_Process, Question] = {}
        self._failure: DicomCommonError | None = None

    def run(
        self, jobs: Iterable[Job], *, has_room: Callable[[], bool] = lambda: True
    ) -> Generator[tuple[Job, Answer | WorkerDiedError], None, None]:
        """Do the jobs and yield each with its answer as it is done; their order is not kept.

        Whatever ends it before the jobs are done (KeyboardInterrupt, an error of `jobs` or of a worker) hands out no
        more jobs, yields the answers of those that are being done, and goes on from there. Closing the iterator waits
        for them too. A second KeyboardInterrupt kills the workers.

        Args:
            jobs: what is to be done; they are pickled.
            has_room: returns whether another job may be handed out now, where one is being done already.

        Raises:
            DicomCommonError: what a worker raised in making its services, or in a job.
            WorkerDiedError: a worker ended before it could do anything, as all others would.
        """
        waiting = iter(jobs)
        done: deque[tuple[Job, Answer | WorkerDiedError]] = deque()
        end: BaseException | None = None
        try:
            while True:
                try:
                    while done:
                        yield done.popleft()
                    if end is None:
                        self._assign(waiting, has_room)
                    if not self._is_at_work():
                        break
                    self._receive(done)
                    end = end or self._failure
                except KeyboardInterrupt as interrupt:
                    if isinstance(end, KeyboardInterrupt):
                        self._kill()
                        raise
                    end = interrupt
                    self._forget_starting()
                except Exception as error:  # noqa: BLE001 - of `jobs`: what was handed out is answered first
                    end = error
        finally:
            self._close()
        if end is not None:
            raise end

    def _assign(self, waiting: Iterator[Job], has_room: Callable[[], bool]) -> None:
        while (self._idle or len(self._processes) < self._workers) and (not self._is_at_work() or has_room()):
            job = next(waiting, None)
            if job is None:
                return
            if self._idle:
                self._give(self._idle.pop(), job)
            else:
                with _interrupts_held():
                    worker = _Process(self._start)
                    worker.job = job
                    self._processes.add(worker)
                    self._busy[worker.connection] = worker

    def _give(self, worker: _Process, job: Job) -> None:
        worker.job = job
        worker.send(job)
        # Not before: a busy process is waited for, and an interrupt in between must not make that endless.
        self._busy[worker.connection] = worker

    def _is_at_work(self) -> bool:
        return bool(self._busy or self._asking)

    def _receive(self, done: deque[tuple[Job, Answer | WorkerDiedError]]) -> None:
        """Wait for messages of the processes, and answer what they ask."""
        from multiprocessing.connection import Connection, wait  # noqa: PLC0415 - as in `_Process`

        for connection in wait(list(self._busy)) if self._busy else ():
            if isinstance(connection, Connection):
                self._receive_from(self._busy[connection], done)
        if self._asking and self._index is not None:
            # They are asking until they are answered: what an interrupt breaks off is answered in the next round.
            answers = self._index.answer(list(self._asking.values()))
            for worker, answer in zip(list(self._asking), answers, strict=True):
                worker.send(answer)
                self._busy[worker.connection] = worker
                del self._asking[worker]

    def _receive_from(self, worker: _Process, done: deque[tuple[Job, Answer | WorkerDiedError]]) -> None:
        """Take a message of a process: that it is ready, an answer or a question; or find that it is dead."""
        del self._busy[worker.connection]
        try:
            kind, content = worker.receive()
        except WorkerDiedError as death:
            self._processes.discard(worker)
            if worker.is_ready:
                done.append((worker.job, death))
            else:
                self._failure = WorkerDiedError(f"{death} It had not begun to work: see what it printed.")
            return
        if kind is Kind.QUESTION:
            self._asking[worker] = content
        elif kind is Kind.FAILURE:
            self._failure = content
            self._idle.append(worker)
        elif worker.is_ready:
            self._idle.append(worker)
            done.append((worker.job, content))
        else:
            worker.is_ready = True
            self._give(worker, worker.job)

    def _forget_starting(self) -> None:
        """Wait no longer for workers that have been given nothing yet."""
        for worker in [worker for worker in self._busy.values() if not worker.is_ready]:
            del self._busy[worker.connection]

    def _kill(self) -> None:
        for worker in self._processes:
            worker.kill()

    def _close(self) -> None:
        self._forget_starting()
        try:
            while self._index is not None and self._is_at_work():  # what is written is to be indexed, too
                self._receive(deque())
            for worker in self._processes:
                worker.connection.close()
            for worker in self._processes:
                worker.close()
        except KeyboardInterrupt:
            self._kill()
            raise


def in_order(
    config: Config, services: Services, task: Task, jobs: Iterable[Job], workers: int
) -> Iterator[tuple[Job, Any]]:
    """Do jobs in several processes and yield each with its answer (or `WorkerDiedError`), in the order of the jobs.

    A single job, or all with one worker, is done in this process, with these services.

    Raises:
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
    pool: ProcessPool[Job, Any] = ProcessPool(config, task, workers)
    # One job that takes long must not let the answers of all others pile up.
    with closing(pool.run(numbered(), has_room=lambda: len(done) < _AHEAD * workers)) as answered:
        for job, answer in answered:
            done[numbers.pop(id(job))] = (job, answer)
            while turn in done:
                yield done.pop(turn)
                turn += 1
