"""Taking instances in: the way in for receivers, the command line and workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Self

from dicom_common.core import LocalFiles, validate_tenant
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline._events._messages import node_id
from dicom_common.pipeline._ingest._audit import ingest_audit
from dicom_common.pipeline._ingest._candidate import prepare, rejection
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._contract import conclude, way
from dicom_common.pipeline._ingest._groups import Groups, Stages
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Received, Result
from dicom_common.pipeline._ingest._write import Writer
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._settings import IngestSettings, TopicSettings
from dicom_common.pipeline._shared_index import ParentIndex

__all__ = ["Ingest"]

_Read = Item | Result
"""What was received, once it is read: an item, or the answer that refuses it."""


class Ingest:
    """Takes instances in by the ingest contract. Thread-safe; a context manager.

    What several threads bring at the same time shares writes, syncs of the disk and transactions; a lone thread waits
    for no other. Several processes may ingest into the same backends at once, the same instances too.

    Raises:
        ConfigError: a setting is wrong.
        PluginError: the storage's plugin or an extension cannot be loaded.
        BackendError: the storage cannot be opened.
    """

    def __init__(
        self, services: Services, settings: IngestSettings | None = None, *, parent_index: ParentIndex | None = None
    ) -> None:
        self._settings = settings or services.settings("ingest", IngestSettings)
        self._reader = services.settings("reader", ReaderSettings)
        self._writer = Writer(services.storage, in_flight=self._settings.in_flight)
        _ = services.extensions  # one that cannot be loaded raises now, not with the first instance
        self._context = Context(
            services=services,
            settings=self._settings,
            topics=services.settings("topics", TopicSettings),
            layout=Layout(self._settings.layout),
            writer=self._writer,
            node=node_id(),
            parent_index=parent_index,
        )
        self._way = way(self._settings)
        self._groups_of: dict[int, Groups] = {}

    def store(self, received: Sequence[Received], *, tenant: str, study_uid: str | None = None) -> list[Result]:
        """Take in instances and answer each, in order.

        An answer other than `REJECTED` means: durable, and in direct mode indexed.

        One that cannot be taken does not disturb its neighbours. A backend that fails is an answer too (`retry`), not
        an exception. The instances are in memory together, each up to `in_memory_bytes`.

        Args:
            received: what came.
            tenant: whose.
            study_uid: the Study Instance UID of the only study that is taken (PS3.18 10.5.1); None: any study. An
                instance of another one is refused as `OTHER_STUDY` before it is written or compared with the index.

        Raises:
            ConfigError: `tenant` is not a tenant id.
            DicomCommonError: the ingest is closed.
        """
        validate_tenant(tenant)
        read = [self._read(one, tenant, study_uid) for one in received]
        waiting = self._decide(received, read)
        decided = [number for number, one in enumerate(read) if isinstance(one, Result) or one.result is not None]
        if waiting:
            self._groups.store(waiting)
        if decided:
            self._record(tenant, [received[number] for number in decided], [read[number] for number in decided])
        return [_result(one) for one in read]

    def submit(self, received: Received, *, tenant: str, study_uid: str | None = None) -> Future[Result]:
        """Take in an instance, and return the future of its answer, which is as that of `store`.

        The header is read before this returns; an instance that is refused for what it is has its answer then. A file,
        or a stream that can seek, must stay as it is until the future is done; one that cannot seek was read to its
        end. Two instances with the same SOP Instance UID go one after the other, in the order in which they were
        submitted.

        It blocks while too much that was submitted is unanswered: three times `batch_instances` or `batch_bytes`. The
        future cannot be cancelled. What is called when it is done runs in a thread of the ingest and must not block.

        Args:
            received: what came.
            tenant: whose.
            study_uid: as for `store`.

        Raises:
            ConfigError: `tenant` is not a tenant id.
            DicomCommonError: the ingest is closed.
        """
        (future,) = self.submit_all([received], tenant=tenant, study_uid=study_uid)
        return future

    def submit_all(
        self, received: Sequence[Received], *, tenant: str, study_uid: str | None = None
    ) -> list[Future[Result]]:
        """Do for several instances what `submit` does for one, with one question to the index for all of them.

        It blocks while too much that was submitted before is unanswered, and raises what `submit` raises.
        """
        validate_tenant(tenant)
        read = [self._read(one, tenant, study_uid) for one in received]
        self._decide(received, read)
        futures = [Future[Result]() for _ in read]
        decided, waiting = list[int](), list[tuple[Item, Future[Result]]]()
        for number, (one, future) in enumerate(zip(read, futures, strict=True)):
            future.set_running_or_notify_cancel()
            if isinstance(one, Item) and one.result is None:
                waiting.append((one, future))
            else:
                decided.append(number)
        if waiting:
            self._groups.submit(waiting)
        if decided:
            self._record(tenant, [received[number] for number in decided], [read[number] for number in decided])
        for number in decided:
            futures[number].set_result(_result(read[number]))
        return futures

    def close(self) -> None:
        """Wait for what was submitted, take nothing more, and end the threads; the services stay open."""
        self._groups.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _groups(self) -> Groups:
        """The groups of this process: a forked child has none of its parent's threads."""
        groups = self._groups_of.get(os.getpid())
        if groups is None:
            context, settings = self._context, self._settings
            stages = Stages(
                write=self._write,
                writers=1 if isinstance(context.services.storage, LocalFiles) else settings.in_flight,
                index=partial(self._way.index, context),
                conclude=self._conclude,
            )
            made = Groups(stages, instances=settings.batch_instances, size=settings.batch_bytes)
            groups = self._groups_of.setdefault(os.getpid(), made)
        return groups

    def _read(self, received: Received, tenant: str, study_uid: str | None) -> _Read:
        candidate = prepare(received, self._settings, self._reader, self._context.services.storage)
        if isinstance(candidate, Result):
            return candidate
        key = self._context.layout.key(tenant, candidate.instance, unique=self._settings.mode == "queued")
        item = Item(tenant=tenant, candidate=candidate, key=key)
        if study_uid is not None and candidate.instance.study_uid != study_uid:
            item.reject(IngestReason.OTHER_STUDY, "It is of another study than the one that it was sent to.")
        elif received.sop_class_uid not in ("", candidate.instance.sop_class_uid):
            item.reject(IngestReason.OTHER_SOP_CLASS, "Its data set is of another SOP class than its request says.")
        elif received.sop_uid not in ("", candidate.instance.sop_uid):
            item.reject(IngestReason.OTHER_SOP_INSTANCE, "Its data set is another SOP instance than its request says.")
        return item

    def _decide(self, received: Sequence[Received], read: list[_Read]) -> list[Item]:
        """Answer what is not to be written, if that can be recorded; return what is."""
        items = [one for one in read if isinstance(one, Item) and one.result is None]
        waiting = self._way.decide(self._context, items, self._groups.identities()) if items else []
        if len(waiting) < len(read) and (refusal := self._audit_refusal()) is not None:
            for number, one in enumerate(read):
                if isinstance(one, Result) or one.result is not None:
                    instance = one.candidate.instance if isinstance(one, Item) else None
                    read[number] = rejection(received[number], *refusal, instance=instance, retry=True)
        return waiting

    def _write(self, items: Sequence[Item]) -> None:
        """Write a group, if it can be recorded."""
        refusal = self._audit_refusal()
        if refusal is None:
            self._way.write(self._context, items)
            return
        for item in items:
            item.reject(*refusal, retry=True)

    def _conclude(self, items: Sequence[Item]) -> None:
        """Follow up on items, and record them by tenant: what an interrupted thread leaves may be of several."""
        if items:
            conclude(self._context, items)
        for tenant in dict.fromkeys(item.tenant for item in items):
            some = [item for item in items if item.tenant == tenant]
            self._record(tenant, [item.candidate.received for item in some], some)

    def _audit_refusal(self) -> tuple[IngestReason, str] | None:
        """Ask whether an audit trail could not record what is about to be done: reason and message of the refusal."""
        extensions = self._context.services.extensions
        if not extensions.audits or (refusal := extensions.audit_refusal()) is None:
            return None
        message = f"The audit trail cannot record it: {refusal}. Send it again when that is mended."
        return IngestReason.AUDIT_UNAVAILABLE, message

    def _record(self, tenant: str, received: Sequence[Received], read: Sequence[_Read]) -> None:
        """Record in the audit trail, if there is one, how things that were received are answered."""
        extensions = self._context.services.extensions
        if not extensions.audits:
            return
        results = [_result(one) for one in read]
        known = [number for number, result in enumerate(results) if result.reason != IngestReason.AUDIT_UNAVAILABLE]
        instances = [one.candidate.instance if isinstance(one, Item) else None for one in read]
        events = ingest_audit(
            tenant,
            [received[number] for number in known],
            [instances[number] for number in known],
            [results[number] for number in known],
        )
        extensions.audit(list(events))


def _result(read: _Read) -> Result:
    result = read.result if isinstance(read, Item) else read
    if result is None:
        raise AssertionError("the ingest contract answers every item")
    return result
