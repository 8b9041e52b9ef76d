"""The tables `[ingest]`, `[topics]`, `[retention]`, `[worker]` and `[documents]` of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dicom_common.core import Secret
from dicom_common.pipeline._documents._layout import DEFAULT_DOCUMENT_LAYOUT, DocumentLayout
from dicom_common.pipeline._layout import DEFAULT_LAYOUT, Layout

__all__ = ["DocumentSettings", "IngestSettings", "RetentionSettings", "TopicSettings", "WorkerSettings"]


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """How instances are ingested."""

    mode: Literal["direct", "queued"] = "direct"
    """Which process indexes: `direct`, the one that receives; `queued`, a worker, which the broker gives the work."""
    layout: str = DEFAULT_LAYOUT
    """The storage key of an instance, as a template; see `Layout`."""
    duplicates: Literal["reject", "replace", "keep"] = "reject"
    """What to do with other bytes under a known SOP Instance UID: refuse them, let them take the place of the old
    ones, or keep the old ones and say so. The same bytes are always a success, without a write."""
    other_patient: Literal["accept-first", "reject"] = "accept-first"
    """What to do with an instance whose study is known under another patient: leave the study with the patient that it
    came with first and warn, or refuse the instance."""
    received_log: bool = True
    """Whether each new instance leaves a record in the log of received objects, in the transaction that indexes it;
    where the database keeps logs."""
    batch_instances: int = 200
    """How many instances share one transaction and one round of fsync."""
    batch_bytes: int = 32 * 1024 * 1024
    """How many bytes of files share a batch: so long is the answer to the first of them waited for."""
    in_flight: int = 32
    """How many objects are written at once to a storage that takes them one by one. An object store has a setting of
    its own for this, `storage.pool_size`; a filesystem makes a whole batch durable together."""
    in_memory_bytes: int = 256 * 1024
    """A file above this size is read twice, in pieces, instead of being held in memory: that is the faster way, too."""
    max_object_bytes: int = 16 * 1024**3
    """The largest object that is taken, in bytes: a larger one is rejected as `object-too-large`, and not read further
    than this. No element with a length in its head reaches 4 GiB (PS3.5 7.1.1); only encapsulated images are longer."""
    retry_timeout: float = 60.0
    """Seconds for which an ingest of files waits for an index or a storage that is away, and tries again. After that,
    files are answered with `retry`, as a receiver's are at once: its peer can send them again."""

    def __post_init__(self) -> None:
        """Refuse a layout that cannot work, and limits that are too small."""
        Layout(self.layout)
        if not 0 <= self.retry_timeout < float("inf"):
            raise ValueError("retry_timeout has to be a number of seconds, 0 or more")
        for name in ("batch_instances", "batch_bytes", "in_flight", "in_memory_bytes", "max_object_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """The names of the topics; the defaults are those that other parts of such an installation listen to."""

    storage: str = "storage_queue"
    log: str = "log_queue"
    state: str = "dicom_state_queue"
    image: str = "dicom_image_queue"
    access: str = "webapi_access_queue"

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((self.storage, self.log, self.state, self.image, self.access)))


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """For how long the logs are kept; `prune` deletes what is older. 0: without limit."""

    received_days: int = 0
    """Days for which the log of received objects is kept."""
    access_days: int = 0
    """Days for which the log of web requests is kept."""

    def __post_init__(self) -> None:
        """Refuse what is not a number of days."""
        for name in ("received_days", "access_days"):
            if not 0 <= getattr(self, name) <= 365_000:
                raise ValueError(f"{name} has to be from 0 (without limit) to 365000")


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How a worker indexes what receivers in queued mode stored."""

    group: str = "dicom-common-workers"
    """The consumer group: its members share the work."""
    batch_messages: int = 50
    """How many messages share a transaction."""
    batch_seconds: float = 5.0
    """Seconds for which a batch waits to become full."""
    in_flight: int = 32
    """How many headers are read from the storage at once."""
    header_bytes: int = 256 * 1024
    """The first range of an object that is read; an object of up to this size is read by one request."""
    tries: int = 3
    """How often a message is tried before it goes to the dead letters. A backend that is away does not count."""

    def __post_init__(self) -> None:
        """Refuse limits that are too small."""
        if not self.group:
            raise ValueError("group needs a name")
        if not 0 <= self.batch_seconds <= 60:
            raise ValueError("batch_seconds has to be from 0 to 60")
        for name in ("batch_messages", "in_flight", "header_bytes", "tries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")


@dataclass(frozen=True, kw_only=True)
class DocumentSettings:
    """How the metadata documents of studies and series are made and kept."""

    layout: str = DEFAULT_DOCUMENT_LAYOUT
    """The storage key of a document without `.json`, as a template; see `DocumentLayout`."""
    quiet_seconds: float = 60.0
    """Seconds for which a study or series must not have changed before its document is written to the storage. Until
    then it is made when it is asked for, and kept in the cache only."""
    cache_bytes: int = 1024 * 1024
    """The largest document, compressed, that is kept in the cache. 0: none is."""
    cache_seconds: float = 3600.0
    """Seconds for which the cache keeps one."""
    wait_seconds: float = 10.0
    """Seconds to wait for a document that another process is making; then it is made all the same."""
    hold_seconds: float = 60.0
    """Seconds after which a process that is making a document counts as dead."""
    secret: Secret = Secret("")
    """By which values in the cache are known to be ours, for all processes the same. Without one, damaged and
    foreign values are found, but not forgeries by someone who can write to the cache."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        DocumentLayout(self.layout)
        for name in ("quiet_seconds", "wait_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} has to be a number of seconds, 0 or more")
        for name in ("cache_seconds", "hold_seconds"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} has to be a number of seconds above 0")
        if self.cache_bytes < 0:
            raise ValueError("cache_bytes has to be 0 or more")
