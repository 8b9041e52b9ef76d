"""Taking instances in: the way in for receivers, the command line and workers."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from dicom_common.core import validate_tenant
from dicom_common.dicom import ReaderSettings
from dicom_common.host import Services
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._messages import node_id
from dicom_common.pipeline._ingest._audit import ingest_audit
from dicom_common.pipeline._ingest._batch import Batch
from dicom_common.pipeline._ingest._candidate import Candidate, prepare
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._queued import QueuedBatch
from dicom_common.pipeline._ingest._results import Received, Result, Status
from dicom_common.pipeline._ingest._write import Writer
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._settings import IngestSettings, TopicSettings

__all__ = ["Ingest"]


class Ingest:
    """Takes instances in, batch by batch, by the ingest contract. Thread-safe; a context manager.

    Several processes and threads may ingest into the same backends at once, the same instances too.

    Raises:
        ConfigError: a setting is wrong.
        PluginError: the storage's plugin or an extension cannot be loaded.
        BackendError: the storage cannot be opened.
    """

    def __init__(self, services: Services, settings: IngestSettings | None = None) -> None:
        self._settings = settings or services.settings("ingest", IngestSettings)
        self._reader = services.settings("reader", ReaderSettings)
        self._writer = Writer(services.storage, in_flight=self._settings.in_flight)
        _ = services.extensions  # one that cannot be loaded is told now, not with the first instance
        self._context = Context(
            services=services,
            settings=self._settings,
            topics=services.settings("topics", TopicSettings),
            layout=Layout(self._settings.layout),
            writer=self._writer,
            node=node_id(),
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
            return [_unaudited(item, refusal) for item in received]
        results: dict[int, Result] = {}
        candidates: dict[int, Candidate] = {}
        for position, item in enumerate(received):
            prepared = prepare(item, self._settings, self._reader)
            if isinstance(prepared, Result):
                results[position] = prepared
            else:
                candidates[position] = prepared
        batch = QueuedBatch if self._settings.mode == "queued" else Batch
        for group in distinct_groups(candidates.items(), lambda item: item[1].instance.sop_uid):
            results |= batch(self._context, tenant, dict(group)).store()
        answers = [results[position] for position in range(len(received))]
        if extensions.audits:
            instances = {position: candidate.instance for position, candidate in candidates.items()}
            extensions.audit(list(ingest_audit(tenant, received, instances, answers)))
        return answers

    def close(self) -> None:
        """End the threads of this object; the services stay open."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unaudited(item: Received, refusal: str) -> Result:
    """Answer what may not be taken in, since the audit trail could not tell of it."""
    message = f"It could not be recorded in the audit trail: {refusal}. Send it again when that is mended."
    return Result(name=item.name, status=Status.REJECTED, reason="audit-unavailable", message=message, retry=True)
