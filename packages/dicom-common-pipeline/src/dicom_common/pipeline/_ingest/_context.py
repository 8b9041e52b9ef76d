"""What the batches of an ingest have in common."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property

from dicom_common.core import Database
from dicom_common.host import Services
from dicom_common.pipeline._events._messages import Trace
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._write import Writer
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._settings import IngestSettings, TopicSettings
from dicom_common.pipeline._shared_index import ParentIndex, keeps_log

__all__ = ["Context"]


@dataclass(frozen=True, kw_only=True)  # no slots, in which nothing could be remembered
class Context:
    """What all batches of an `Ingest` share."""

    services: Services
    settings: IngestSettings
    topics: TopicSettings
    layout: Layout
    writer: Writer
    node: str
    parent_index: ParentIndex | None = None
    """The index of a worker process; None: the one of the services."""
    broker_is_down: threading.Event = field(default_factory=threading.Event)
    """Set by a publish that failed; see `broker_failure`."""

    @property
    def index(self) -> Database | ParentIndex:
        """The index; opened when it is first asked for."""
        return self.services.db if self.parent_index is None else self.parent_index

    @cached_property
    def keeps_log(self) -> bool:
        """Whether the transactions write the log of received objects, too; asked once, which takes 20 us."""
        return keeps_log(self.index, self.settings)

    def trace(self, item: Item) -> Trace:
        """Return how the object of an item came in."""
        return Trace(item.trace_id, item.candidate.received.origin, self.node)

    def unique_key(self, item: Item) -> str:
        """Return a storage key for an item at which nothing is, and nothing will be."""
        return self.layout.key(item.tenant, item.candidate.instance, unique=True)
