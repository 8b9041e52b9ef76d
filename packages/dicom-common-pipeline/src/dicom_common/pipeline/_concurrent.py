"""Doing several things at once that mostly wait: for a server, or for a disk."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import ParamSpec, TypeVar

__all__ = ["Threads", "run_concurrently"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """Threads that work in the context of who submits, by which a trace knows to what request the work belongs."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in a thread."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))


def run_concurrently(tasks: Iterator[Callable[[], T]], in_flight: int) -> Generator[T, None, None]:
    """Do tasks in threads, so many at once, and yield what they return as they are done; their order is not kept.

    The tasks are taken from their iterator by the caller's thread, and only when there is room for one more. An error
    of the iterator is raised when everything before it is done and yielded, and so is the error of a task. Closing the
    generator begins no further tasks, and waits for those that are being done.
    """
    running: set[Future[T]] = set()
    end: Exception | None = None
    with Threads(in_flight, thread_name_prefix="in-flight") as threads:
        while True:
            while end is None and len(running) < in_flight:
                try:
                    task = next(tasks, None)
                except Exception as error:  # noqa: BLE001 - it is raised in its turn
                    end = error
                    break
                if task is None:
                    break
                running.add(threads.submit(task))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                failure = future.exception()
                if failure is None:
                    yield future.result()
                elif isinstance(failure, Exception):
                    end = end or failure
                else:
                    raise failure
    if end is not None:
        raise end
