"""Taking instances in: the way in for receivers, the command line and workers."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import TracebackType
from typing import Self

from dicom_common.core import validate_tenant
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._messages import node_id
from dicom_common.pipeline._ingest._audit import ingest_audit
from dicom_common.pipeline._ingest._candidate import prepare, rejection
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._contract import receive, store
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Received, Result
from dicom_common.pipeline._ingest._write import Writer
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._settings import IngestSettings, TopicSettings
from dicom_common.pipeline._shared_index import ParentIndex

__all__ = ["Ingest"]


class Ingest:
    """Takes instances in, batch by batch, by the ingest contract. Thread-safe; a context manager.

    Several processes and threads may ingest into the same backends at once, the same instances too.

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

    def store(self, received: Sequence[Received], *, tenant: str) -> list[Result]:
        """Take in a batch and answer each, in order.

        An answer other than `REJECTED` means: durable, and in direct mode indexed.

        One that cannot be taken does not disturb its neighbours. A backend that fails is an answer too (`retry`), not
        an exception. The instances are in memory together, each up to `in_memory_bytes`.

        Raises:
            ConfigError: `tenant` is not a tenant id.
        """
        validate_tenant(tenant)
        extensions = self._context.services.extensions
        if extensions.audits and (refusal := extensions.audit_refusal()) is not None:
            message = f"The audit trail cannot record it: {refusal}. Send it again when that is mended."
            return [rejection(one, IngestReason.AUDIT_UNAVAILABLE, message, retry=True) for one in received]
        is_queued = self._settings.mode == "queued"
        prepared = [self._prepare(one, tenant, is_queued=is_queued) for one in received]
        items = [one for one in prepared if isinstance(one, Item)]
        for group in distinct_groups(items, attrgetter("identity")):
            (receive if is_queued else store)(self._context, group)
        results = [_result(one) for one in prepared]
        if extensions.audits:
            instances = [one.candidate.instance if isinstance(one, Item) else None for one in prepared]
            extensions.audit(list(ingest_audit(tenant, received, instances, results)))
        return results

    def _prepare(self, received: Received, tenant: str, *, is_queued: bool) -> Item | Result:
        candidate = prepare(received, self._settings, self._reader, self._context.services.storage)
        if isinstance(candidate, Result):
            return candidate
        key = self._context.layout.key(tenant, candidate.instance, unique=is_queued)
        return Item(tenant=tenant, candidate=candidate, key=key)

    def close(self) -> None:
        """End the threads of this object; the services stay open."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _result(item: Item | Result) -> Result:
    result = item.result if isinstance(item, Item) else item
    if result is None:
        raise AssertionError("the ingest contract answers every item")
    return result
