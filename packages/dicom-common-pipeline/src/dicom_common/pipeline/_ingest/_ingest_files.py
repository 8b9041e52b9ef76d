"""Ingesting many files with several processes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from dicom_common.core import LocalFiles, Origin, validate_tenant
from dicom_common.host import Config, Services
from dicom_common.pipeline._concurrent import run_concurrently
from dicom_common.pipeline._ingest._ingest import Ingest
from dicom_common.pipeline._ingest._results import Received, Result
from dicom_common.pipeline._ingest._retry import RetryingStore
from dicom_common.pipeline._settings import IngestSettings

__all__ = ["ingest_files"]

_FEW = 400
"""So few files are done before worker processes have imported their libraries, which takes the time of some 200 files a
process (measured, 15 KB)."""

_FEW_AND_DISTANT = 1000
"""The same, where the storage is not on this machine: what is waited for is the network, and one process can do that.
Measured: 500 files of 500 KB, 50 ms away, take one process half the time of two."""

_FEW_WITH_JOBS = 64
"""The same, where the caller asked for worker processes."""

_OVERLAPPING = 2
"""Batches of one process that are under way at once. Measured with one process, against one batch after the other: 600
files of 15 KB take 0.7 times as long, 200 of 500 KB as long."""


def ingest_files(  # noqa: PLR0913 - all but two have a default
    config: Config,
    files: Iterable[Path],
    *,
    tenant: str,
    jobs: int | None = None,
    origin: Origin | None = None,
    services: Services | None = None,
) -> Iterator[Result]:
    """Ingest files in batches and yield an answer for each as soon as it is durable; their order is not kept.

    It may be interrupted at any time: what was answered is safe, and a second run answers it as a duplicate. A file
    that ends a worker process is found and rejected, its neighbours go on. An error of `files` comes when everything
    before it is answered. An index or a storage that is unavailable is waited for, up to `ingest.retry_timeout`,
    with a warning in the log. The first file is ingested at once, before the others are looked for. Of two files with
    the same SOP Instance UID that are far apart either may come first.

    Args:
        config: the configuration; every worker process opens its own services from it.
        files: the files; they are looked at while the work goes on.
        tenant: whose instances they are.
        jobs: worker processes; with 1, or with few files, this process does the work itself.
        origin: where they come from.
        services: open services of this configuration, which are left open; by default this process opens its own.

    Raises:
        DicomCommonError: the backends cannot be opened; `WorkerDiedError`: worker processes cannot be started.
    """
    validate_tenant(tenant)
    with ExitStack() as stack:
        services = services or stack.enter_context(Services(config))
        settings = services.settings("ingest", IngestSettings)
        few = _FEW_WITH_JOBS if jobs else _FEW if isinstance(services.storage, LocalFiles) else _FEW_AND_DISTANT
        received: Iterator[Received] = (
            Received(source=path, name=str(path), origin=origin or Origin()) for path in files
        )
        with Ingest(services) as ingest:
            retrying = RetryingStore(partial(ingest.store, tenant=tenant), settings.retry_timeout)
            # Whoever waits sees at once that it works; how many there are is found out behind it.
            yield from retrying.store(list(itertools.islice(received, 1)))
            next_ones, received = _first(received, few)
            batches = _batches(itertools.chain(next_ones, received), settings)
            if len(next_ones) < few or _processes(jobs) == 1:
                # While a storage or a disk is waited for, the next batch is read.
                tasks = (partial(retrying.store, batch) for batch in batches)
                with closing(run_concurrently(tasks, _OVERLAPPING)) as stored:
                    for results in stored:
                        yield from results
                return
        from dicom_common.pipeline._ingest._in_processes import ingest_in_processes  # noqa: PLC0415 - as `_processes`

        yield from ingest_in_processes(config, services, ((tenant, batch) for batch in batches), _processes(jobs))


def _processes(jobs: int | None) -> int:
    from dicom_common.pipeline._process_pool import default_jobs  # noqa: PLC0415 - a few files need no processes

    return jobs or default_jobs()


def _first(received: Iterator[Received], few: int) -> tuple[list[Received], Iterator[Received]]:
    """Take the first few; an error among them comes behind them, in what is returned beside."""
    first: list[Received] = []
    try:
        first.extend(itertools.islice(received, few))
    except Exception as error:  # noqa: BLE001 - it is raised in its turn
        return first, _raising(error)
    return first, received


def _raising(error: Exception) -> Iterator[Received]:
    raise error
    yield  # makes it an iterator


def _batches(received: Iterable[Received], settings: IngestSettings) -> Iterator[list[Received]]:
    """Group what was received up to the limits of a batch. What came before an error is a batch, too."""
    batch: list[Received] = []
    size = 0
    failure: Exception | None = None
    items = iter(received)
    while True:
        try:
            item = next(items, None)
        except Exception as error:  # noqa: BLE001 - it is raised in its turn
            item, failure = None, error
        if item is None:
            break
        more = _size(item)
        if batch and (len(batch) >= settings.batch_instances or size + more > settings.batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += more
    if batch:
        yield batch
    if failure is not None:
        raise failure


def _size(item: Received) -> int:
    """Return how many bytes it has."""
    try:
        return item.source.stat().st_size if isinstance(item.source, Path) else 0
    except OSError:
        return 0  # the ingest reports what is wrong with it
