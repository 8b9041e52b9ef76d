"""The worker: indexes what receivers in queued mode stored, and tells the broker so only after the commit."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from dicom_common.core import BackendError, Consumer, DamagedError, Delivery, DicomError, NotFoundError
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._bury import Burial
from dicom_common.pipeline._events._messages import node_id
from dicom_common.pipeline._ingest._candidate import Candidate
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._results import Result
from dicom_common.pipeline._ingest._write import Writer
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._settings import IngestSettings, TopicSettings, WorkerSettings
from dicom_common.pipeline._sweep import sweep
from dicom_common.pipeline._worker._claim import Claim, PoisonError, claim_of, open_claim
from dicom_common.pipeline._worker._index_batch import IndexBatch

__all__ = ["Worker"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 15.0
_HOLD = 60.0
"""Seconds for which a batch is tried again before it is given back: a broker takes a member that is silent for dead."""
_SLICE = 0.5
"""Seconds that one wait for messages takes: so late is a stop noticed."""
_DONE, _AGAIN = "done", "again"
"""What became of a message, beside the reason of one that is poison."""
_FINAL = ("duplicate-differs", "indexed-object-missing", "uid-in-other-series", "other-patient")
"""Verdicts of the duplicate policy: another try gives the same."""


class _Answer(NamedTuple):
    """What became of a message, and where its object is."""

    what: str
    key: str | None = None
    spare: str | None = None
    """The key of a second copy, which is needed only as long as the message may come again."""


class Worker:
    """A member of the group of workers. Several run, in any number of processes; the broker shares the work out.

    A batch is read, indexed in one transaction with its log and its events, and then acknowledged to the broker. What
    a killed worker had is delivered to another one, and what it had indexed already changes nothing there. A backend
    that is away is waited for. A message that cannot be dealt with goes to the topic `<storage topic>.dead`, with why
    and whence in its headers; its object stays where it is.

    Args:
        services: the backends.
        on_progress: is told how many messages were dealt with, and how many of them went to the dead letters.
    """

    def __init__(self, services: Services, *, on_progress: Callable[[int, int], None] = lambda _, __: None) -> None:
        self._services, self._on_progress = services, on_progress
        self._settings = services.settings("worker", WorkerSettings)
        self._ingest = services.settings("ingest", IngestSettings)
        self._reader = services.settings("reader", ReaderSettings)
        self._topics = services.settings("topics", TopicSettings)
        self._pause = _FIRST_PAUSE
        self._burial = Burial(services.broker)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; the batch in hand is finished, or given back to the group.

        Raises:
            DicomCommonError: the storage or the index cannot be opened at all.
        """
        services, in_flight = self._services, self._settings.in_flight
        writer = Writer(services.storage, in_flight=in_flight)
        self._context = Context(
            services=services,
            settings=self._ingest,
            topics=self._topics,
            layout=Layout(self._ingest.layout),
            writer=writer,
            node=node_id(),
        )
        _ = services.db, services.extensions
        try:
            with ThreadPoolExecutor(in_flight, thread_name_prefix="worker-read") as self._threads:
                while not stop.is_set():
                    try:
                        self._work_as_member(stop)
                    except BackendError as error:
                        _log.warning("the worker leaves its group and joins it again: %s", error)
                        self._wait(stop)
        finally:
            writer.close()

    def _work_as_member(self, stop: threading.Event) -> None:
        broker = self._services.broker
        with broker.consume([self._topics.storage], self._settings.group) as consumer:
            while not stop.is_set():
                batch = self._receive(consumer, stop)
                if batch and not self._deal_with(consumer, batch, stop):
                    return

    def _receive(self, consumer: Consumer, stop: threading.Event) -> list[Delivery]:
        most, batch, full_at = self._settings.batch_messages, list[Delivery](), float("inf")
        while len(batch) < most and not stop.is_set() and (left := full_at - time.monotonic()) > 0:
            batch += consumer.receive(most - len(batch), timeout=min(_SLICE, left))
            if batch and full_at == float("inf"):
                full_at = time.monotonic() + self._settings.batch_seconds
        return batch

    def _deal_with(self, consumer: Consumer, batch: Sequence[Delivery], stop: threading.Event) -> bool:
        """Deal with a batch; False: what is left was not acknowledged, and the group has to get it again."""
        tries: Counter[int] = Counter()
        waiting, until = dict(enumerate(batch)), time.monotonic() + _HOLD
        while waiting:
            done, dead = [], 0
            answers = self._attempt(waiting)
            for number, answer in answers.items():
                delivery = waiting[number]
                if answer.what == _AGAIN:
                    continue
                if answer.what != _DONE:
                    tries[number] += 1
                    if answer.what not in _FINAL and tries[number] < self._settings.tries:
                        continue
                    self._bury(delivery, answer, tries[number])
                    dead += 1
                done.append(number)
            if done:
                consumer.acknowledge([waiting.pop(number) for number in done])
                self._discard(answers[number].spare for number in done)
                self._on_progress(len(done), dead)
                self._pause = _FIRST_PAUSE
            if waiting:
                if stop.is_set() or time.monotonic() > until:
                    return False
                self._wait(stop)
        return True

    def _wait(self, stop: threading.Event) -> None:
        stop.wait(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _attempt(self, deliveries: dict[int, Delivery]) -> dict[int, _Answer]:
        """Try all, and say what became of each: done, to be tried again, or the reason why it is poison."""
        answers: dict[int, _Answer] = {}
        claims: dict[int, Claim] = {}
        candidates: dict[int, Candidate] = {}
        for number, found in zip(deliveries, self._threads.map(self._open, deliveries.values()), strict=True):
            claim, result = found
            if isinstance(result, str):
                answers[number] = _Answer(result, claim.key if claim else None)
            elif claim is not None:
                claims[number], candidates[number] = claim, result
        tenants: dict[str, list[int]] = defaultdict(list)
        for number, claim in claims.items():
            tenants[claim.tenant].append(number)
        for tenant, numbers in tenants.items():
            for group in distinct_groups(numbers, lambda number: claims[number].uids[2]):
                answers |= self._index(tenant, {number: candidates[number] for number in group}, claims)
        return answers

    def _open(self, delivery: Delivery) -> tuple[Claim | None, Candidate | str]:
        claim: Claim | None = None
        try:
            claim = claim_of(delivery)
            return claim, open_claim(claim, self._services.storage, self._reader, self._settings.header_bytes)
        except (PoisonError, DicomError) as error:
            return claim, error.reason
        except NotFoundError:
            return claim, self._missing(claim) if claim else "object-missing"
        except DamagedError:
            return claim, "digest-differs"
        except BackendError as error:
            _log.warning("an object cannot be read yet: %s", error)
            return claim, _AGAIN
        except Exception as error:  # noqa: BLE001 - what was not foreseen of one message must not stop the others
            _log.warning("reading an object failed with %s", type(error).__name__)  # its text may quote the data set
            return claim, "reader-failed"

    def _missing(self, claim: Claim) -> str:
        """Tell whether an object is gone because its message was dealt with before: its worker died in between."""
        sop_uid = claim.uids[2]
        try:
            stored = self._services.db.stored(claim.tenant, [sop_uid]).get(sop_uid)
        except BackendError:
            return _AGAIN
        if stored is not None and (stored.sha256 == claim.sha256 or self._ingest.duplicates != "reject"):
            return _DONE if stored.key != claim.key else "object-missing"
        return "object-missing"

    def _index(self, tenant: str, candidates: dict[int, Candidate], claims: dict[int, Claim]) -> dict[int, _Answer]:
        batch = IndexBatch(self._context, tenant, candidates, claims)
        results = batch.store()
        for number, key in batch.moved.items():
            _log.warning(
                "an object that was not indexed is kept at another key: %s instead of %s", key, claims[number].key
            )
        answers = {}
        for number, result in results.items():
            what, key = _verdict(result), claims[number].key
            spare = key if what == _DONE and result.key != key else None
            answers[number] = _Answer(what, batch.moved.get(number, key), spare)
        return answers

    def _discard(self, keys: Iterable[str | None]) -> None:
        """Delete second copies. A failure leaves orphans, which a reconciliation finds."""
        spare = [key for key in keys if key is not None]
        if not spare:
            return
        try:
            self._services.db.discard(spare)
            sweep(self._services)
        except BackendError as error:
            _log.warning("second copies are kept for a later sweep: %s", error)

    def _bury(self, delivery: Delivery, answer: _Answer, tries: int) -> None:
        """Publish to the dead letters; the message is acknowledged only after that.

        Raises:
            BackendError: the broker did not take it; the batch is given back.
        """
        place = {"partition": str(delivery.partition), "offset": str(delivery.offset), "attempts": str(tries)}
        if answer.key is not None:
            place["file_path"] = answer.key
        self._burial.bury(delivery.topic, delivery.message, answer.what, **place)


def _verdict(result: Result) -> str:
    if result.retry:
        return _AGAIN
    return result.reason if result.status == "rejected" else _DONE
