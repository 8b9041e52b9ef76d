"""The worker: indexes what receivers in queued mode stored, and acknowledges the messages only after the commit."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from operator import attrgetter
from typing import NamedTuple

from dicom_common.core import BackendError, Consumer, DamagedError, Delivery, DicomError, NotFoundError
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline._discarded import delete_discarded
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._messages import node_id
from dicom_common.pipeline._events._publish_dead import DeadLetterPublisher, DeadReason
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._contract import index_received
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Status
from dicom_common.pipeline._ingest._write import Writer
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._settings import IngestSettings, TopicSettings, WorkerSettings
from dicom_common.pipeline._worker._request import IndexRequest, PoisonError, open_object, request_of

__all__ = ["Worker"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 15.0
_HOLD = 60.0
"""Seconds for which a batch is tried again before it is given back: a broker takes a member that is silent for dead."""
_SLICE = 0.5
"""Seconds that one wait for messages takes: so late is a stop noticed."""
_FINAL = frozenset(
    {
        IngestReason.DUPLICATE_DIFFERS,
        IngestReason.INDEXED_OBJECT_MISSING,
        IngestReason.UID_IN_OTHER_SERIES,
        IngestReason.OTHER_PATIENT,
    }
)
"""Reasons of the duplicate policy: another try would end alike."""


class _Step(Enum):
    """What comes next for a message."""

    ACKNOWLEDGE = auto()
    RETRY = auto()
    """A backend is away."""
    POISON = auto()


class _Verdict(NamedTuple):
    """What was found out about a message."""

    step: _Step
    reason: str = ""
    """Why it is poison."""
    key: str | None = None
    """Where the object of one that is poison is."""
    spare: str | None = None
    """The key of a second copy, which is needed only as long as the message may come again."""


class Worker:
    """A member of the group of workers. Several run, in any number of processes; the broker shares the work out.

    A batch is read, indexed in one transaction with its log and its events, and then acknowledged to the broker. What
    a killed worker had is delivered to another one, and what it had indexed already changes nothing there. A backend
    that is away is waited for. A message that cannot be processed goes to the topic `<storage topic>.dead`, with reason
    and origin in its headers; its object stays where it is.

    Args:
        services: the backends.
        on_progress: called with the number of messages processed, and how many of them became dead letters.
    """

    def __init__(self, services: Services, *, on_progress: Callable[[int, int], None] = lambda _, __: None) -> None:
        self._services, self._on_progress = services, on_progress
        self._settings = services.settings("worker", WorkerSettings)
        self._ingest = services.settings("ingest", IngestSettings)
        self._reader = services.settings("reader", ReaderSettings)
        self._topics = services.settings("topics", TopicSettings)
        self._pause = _FIRST_PAUSE
        self._dead_letters = DeadLetterPublisher(services.broker)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; the batch in hand is finished, or given back to the group.

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
                        self._consume(stop)
                    except BackendError as error:
                        _log.warning("The worker leaves its group and joins it again: %s", error)
                        self._wait(stop)
        finally:
            writer.close()

    def _consume(self, stop: threading.Event) -> None:
        broker = self._services.broker
        with broker.consume([self._topics.storage], self._settings.group) as consumer:
            while not stop.is_set():
                batch = self._receive(consumer, stop)
                if batch and not self._process(consumer, batch, stop):
                    return

    def _receive(self, consumer: Consumer, stop: threading.Event) -> list[Delivery]:
        most, batch, full_at = self._settings.batch_messages, list[Delivery](), float("inf")
        while len(batch) < most and not stop.is_set() and (left := full_at - time.monotonic()) > 0:
            batch += consumer.receive(most - len(batch), timeout=min(_SLICE, left))
            if batch and full_at == float("inf"):
                full_at = time.monotonic() + self._settings.batch_seconds
        return batch

    def _process(self, consumer: Consumer, batch: Sequence[Delivery], stop: threading.Event) -> bool:
        """Process a batch; False: what is left was not acknowledged, and the group has to get it again."""
        tries: Counter[int] = Counter()
        waiting, until = dict(enumerate(batch)), time.monotonic() + _HOLD
        while waiting:
            done, dead = [], 0
            verdicts = self._try(waiting)
            for number, verdict in verdicts.items():
                if verdict.step is _Step.RETRY:
                    continue
                if verdict.step is _Step.POISON:
                    tries[number] += 1
                    if verdict.reason not in _FINAL and tries[number] < self._settings.tries:
                        continue
                    self._publish_dead_letter(waiting[number], verdict, tries[number])
                    dead += 1
                done.append(number)
            if done:
                consumer.acknowledge([waiting.pop(number) for number in done])
                self._discard([spare for number in done if (spare := verdicts[number].spare) is not None])
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

    def _try(self, deliveries: dict[int, Delivery]) -> dict[int, _Verdict]:
        verdicts: dict[int, _Verdict] = {}
        opened: dict[Item, tuple[int, str]] = {}
        for number, found in zip(deliveries, self._threads.map(self._open, deliveries.values()), strict=True):
            if isinstance(found, Item):
                opened[found] = number, found.key
            else:
                verdicts[number] = found
        for group in distinct_groups(opened, attrgetter("identity")):
            index_received(self._context, group)
        return verdicts | {number: _verdict(item, key) for item, (number, key) in opened.items()}

    def _open(self, delivery: Delivery) -> Item | _Verdict:
        request = None
        try:
            request = request_of(delivery.message)
            candidate = open_object(request, self._services.storage, self._reader, self._settings.header_bytes)
            return Item(
                tenant=request.tenant,
                candidate=candidate,
                key=request.key,
                object_key=request.key,
                received=request.received,
                trace_id=request.trace_id,
                may_discard=False,
            )
        except (PoisonError, DicomError) as error:
            reason: str = error.reason
        except NotFoundError:
            if request is not None and (verdict := self._when_missing(request)) is not None:
                return verdict
            reason = DeadReason.OBJECT_MISSING
        except DamagedError:
            reason = DeadReason.DIGEST_DIFFERS
        except BackendError as error:
            _log.warning("An object cannot be read yet: %s", error)
            return _Verdict(_Step.RETRY)
        except Exception as error:  # noqa: BLE001 - what was not foreseen of one message must not stop the others
            _log.warning("Reading an object failed with %s", type(error).__name__)  # its text may quote the data set
            reason = DeadReason.READER_FAILED
        return _Verdict(_Step.POISON, reason, None if request is None else request.key)

    def _when_missing(self, request: IndexRequest) -> _Verdict | None:
        """Tell whether an object is gone because its message was processed before: its worker died in between."""
        sop_uid = request.uids[2]
        try:
            stored = self._services.db.stored(request.tenant, [sop_uid]).get(sop_uid)
        except BackendError:
            return _Verdict(_Step.RETRY)
        if stored is None or stored.key == request.key:
            return None
        is_same = stored.sha256 == request.sha256 or self._ingest.duplicates != "reject"
        return _Verdict(_Step.ACKNOWLEDGE) if is_same else None

    def _discard(self, spare: Sequence[str]) -> None:
        """Delete second copies. A failure leaves orphans, which a reconciliation finds."""
        if not spare:
            return
        try:
            self._services.db.discard(spare)
            delete_discarded(self._services)
        except BackendError as error:
            _log.warning("Second copies are deleted later: %s", error)

    def _publish_dead_letter(self, delivery: Delivery, verdict: _Verdict, tries: int) -> None:
        """Publish to the dead letters; the message is acknowledged only after that.

        Raises:
            BackendError: the broker did not take it; the batch is given back.
        """
        place = {"partition": str(delivery.partition), "offset": str(delivery.offset), "attempts": str(tries)}
        if verdict.key is not None:
            place["file_path"] = verdict.key
        self._dead_letters.publish(delivery.topic, delivery.message, verdict.reason, **place)


def _verdict(item: Item, key: str) -> _Verdict:
    """Turn the answer to an item into what comes next for its message, which has its object at `key`."""
    result = item.result
    if result is None or result.retry:
        return _Verdict(_Step.RETRY)
    if result.status is not Status.REJECTED:
        return _Verdict(_Step.ACKNOWLEDGE, spare=None if result.key == key else key)
    if item.object_key != key:
        _log.warning("An object that was not indexed is kept at the key %s instead of %s.", item.object_key, key)
    return _Verdict(_Step.POISON, result.reason, item.object_key)
