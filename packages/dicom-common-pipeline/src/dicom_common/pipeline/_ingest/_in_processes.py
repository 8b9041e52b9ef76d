"""Ingesting batches in worker processes, whose index is the parent's."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial

from dicom_common.host import Config, Services
from dicom_common.pipeline._ingest._candidate import rejection
from dicom_common.pipeline._ingest._ingest import Ingest
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Received, Result
from dicom_common.pipeline._ingest._retry import RetryingStore
from dicom_common.pipeline._process_pool import ProcessPool, WorkerDiedError
from dicom_common.pipeline._settings import IngestSettings
from dicom_common.pipeline._shared_index import ParentIndex, SharedIndex

__all__ = ["ingest_in_processes"]

_Job = tuple[str, list[Received]]


def ingest_in_processes(
    config: Config, services: Services, batches: Iterable[tuple[str, list[Received]]], jobs: int
) -> Iterator[Result]:
    """Ingest batches, each with its tenant, and yield the answers as they come.

    Raises:
        WorkerDiedError: worker processes cannot be started.
    """
    again: deque[_Job] = deque()
    pool: ProcessPool[_Job, list[Result]] = ProcessPool(config, _ingest_task, jobs, index=SharedIndex(services))
    with closing(pool.run(_with_retries(again, iter(batches)))) as answered:
        yield from _results(answered, again)


def _results(answered: Iterable[tuple[_Job, list[Result] | WorkerDiedError]], again: deque[_Job]) -> Iterator[Result]:
    """Yield the answers. Of a batch at which a process died, each file is tried alone."""
    for (tenant, batch), answer in answered:
        if not isinstance(answer, WorkerDiedError):
            yield from answer
        elif len(batch) > 1:
            again.extend((tenant, [item]) for item in batch)
        else:
            message = "Reading it ended the worker process: it may be malicious."
            yield rejection(batch[0], IngestReason.READER_DIED, message)


def _ingest_task(services: Services, index: ParentIndex) -> Callable[[_Job], list[Result]]:
    ingest, retry_timeout = (
        Ingest(services, parent_index=index),
        services.settings("ingest", IngestSettings).retry_timeout,
    )
    stores: dict[str, RetryingStore] = {}  # by tenant, of which an ingest has one

    def store(job: _Job) -> list[Result]:
        tenant, batch = job
        if tenant not in stores:
            stores[tenant] = RetryingStore(partial(ingest.store, tenant=tenant), retry_timeout)
        return stores[tenant].store(batch)

    return store


def _with_retries(again: deque[_Job], jobs: Iterator[_Job]) -> Iterator[_Job]:
    """Yield what is to be done again first. The queue may be filled while this is iterated."""
    while True:
        if again:
            yield again.popleft()
        elif (job := next(jobs, None)) is not None:
            yield job
        else:
            return
