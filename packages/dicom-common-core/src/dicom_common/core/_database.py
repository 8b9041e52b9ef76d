"""The Protocol of the index: the instances, their metadata, and the events that are still to be published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Protocol, runtime_checkable

from dicom_common.core._attributes import Level
from dicom_common.core._health import Health
from dicom_common.core._logs import LogRecord
from dicom_common.core._query import Query
from dicom_common.core._records import Entry, Event, Instance, Outcome, PersonName, RequestAttributes, Stored

__all__ = [
    "Backlog",
    "BriefSearches",
    "ComparedRows",
    "Database",
    "DerivedRows",
    "EventsOf",
    "KeptFrames",
    "Match",
    "Migrations",
    "RemovalEventsOf",
    "Removed",
    "Value",
]

Value = (
    str
    | int
    | float
    | date
    | time
    | PersonName
    | tuple[str, ...]
    | tuple[float, ...]
    | tuple[RequestAttributes, ...]
    | None
)
Match = Mapping[str, Value]
"""One match of a search: keyword -> value. It has what `Query.fields` asks for, or all: the indexed attributes of its
level and the levels above, and the computed
`NumberOfPatientRelatedStudies/Series/Instances`, `NumberOfStudyRelatedSeries`, `NumberOfStudyRelatedInstances`,
`NumberOfSeriesRelatedInstances` (int), `ModalitiesInStudy`, `SOPClassesInStudy` (sorted tuples)."""

EventsOf = Callable[[Sequence[Outcome]], Iterable[Event | LogRecord]]
"""Makes the events of a transaction from its outcomes. It may be called again where a transaction is tried again.

Log records among them go to the logs, in the same transaction; only a database that is a `Logs` is given any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One instance that `Database.remove` takes out of the index."""

    tenant: str
    key: str
    """Where the storage has it."""
    instance: Instance
    """What the index knew of it: its own attributes, not those of its parents' rows. `study_date_origin` is Study Date
    as a DA value."""
    received: datetime
    series: Match | None = field(repr=False)
    """The row of its series after the removal; None: the series is gone."""


RemovalEventsOf = Callable[[Sequence[Removed]], Iterable[Event | LogRecord]]
"""Makes the events of a removal, as `EventsOf` makes those of an addition. Instances come in the order of `find`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many events wait in the outbox, and since when the oldest does."""

    events: int
    oldest: datetime | None


class Database(Protocol):
    """The index of all tenants. Thread-safe. Every method may raise `UnavailableError` and `RefusedError`.

    The objects that rows refer to are deleted through the database, never around it: a key that no row refers to any
    more is entered in a list of discarded keys by the transaction that took the reference away; who deletes the object
    says so with `deleted`. A key in that list (and for a day after) is not taken by `add`, which answers `RETIRED`. So
    no object is deleted under a row that a concurrent `add` is about to write.
    """

    def add(self, entries: Sequence[Entry], *, events: EventsOf | None = None) -> list[Outcome]:
        """Index a batch in one transaction, with the events that `events` makes of the outcomes.

        The outcomes are in the order of the entries. An entry that is not taken (see `AddStatus`) does not disturb the
        others; its key is discarded if no row refers to it, unless it says otherwise (`Entry.keeps_key`). A replaced
        instance's former key is discarded. An entry twice in a batch counts as if it came in two batches.

        What the index says follows from the instances that it has now, in whatever order they came. An instance ranks
        by its clinical time, then by `Entry.received`, then by its SOP Instance UID. The clinical time is the first
        of Instance Creation, Content, Acquisition, Series and Study Date with the time beside it (absent: midnight)
        that is not later than a day after the receipt. Each attribute of a patient, study or series is that of the
        highest-ranked instance below that has a value for it.

        A patient is (Issuer of Patient ID, Patient ID); a Patient ID of several values is one identity as a whole.
        Without a Patient ID each study has a patient of its own. A study belongs to the patient of the instance that
        was received first (then by SOP Instance UID) of those that are there; it moves with a replacement, a removal
        or an instance that was received earlier, and a patient without studies goes. An instance that names another
        patient than its study's says nothing of the patient. Whether an entry names another patient is judged when
        its turn comes, as if each entry were a batch of its own: by the instances that the index has then.
        """
        ...

    def find(self, query: Query) -> list[Match]:
        """Search.

        The order is stable: patients by Patient ID and issuer; studies by Study Date, the latest first, then by UID;
        their series by Series Number, then UID; their instances by Instance Number, then UID; an absent value is last.

        Raises:
            QueryError: it asks for what no index can be asked (see `validate_query`).
        """
        ...

    def count(self, query: Query) -> int:
        """Count the matches of a search, without its limit and offset.

        Raises:
            QueryError: as `find`.
        """
        ...

    def stored(self, tenant: str, sop_uids: Iterable[str]) -> dict[str, Stored]:
        """Look instances up by SOP Instance UID; those that are not indexed are absent from the answer."""
        ...

    def instances(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[Stored]:
        """Iterate over the instances of a study, a series, or over the one; in the order of `find`."""
        ...

    def metadata(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[bytes]:
        """Iterate over the DICOM JSON objects of a study, a series, or the one instance; in the order of `find`."""
        ...

    def metadata_of(self, tenant: str, level: Level, matches: Sequence[Match]) -> list[bytes | None]:
        """Return one DICOM JSON object for each match of a search, in their order: the kept metadata of an instance.

        It is for what a request asks for and the index has no column of (`includefield`, PS3.18 8.3.4.3). A match of an
        instance has its own; one of a patient, study or series has that of the first instance below, in the order of
        `find`. All are looked up together, so the whole answer is in memory: give a page of matches at a time.

        Args:
            tenant: whose index it is.
            level: the level of the matches.
            matches: they need the unique keys of their level and the levels above, which `find` always gives. The
                answer is None for an instance that was removed, and for a patient without a Patient ID.
        """
        ...

    def owners(self, keys: Iterable[str]) -> dict[str, Stored]:
        """Look instances up by storage key; keys that no row refers to are absent from the answer."""
        ...

    def walk(self, *, after: str = "") -> Iterator[Stored]:
        """Iterate over all instances of all tenants in ascending order of the keys' UTF-8 bytes, behind `after`."""
        ...

    def remove(
        self,
        tenant: str,
        study_uid: str,
        series_uid: str | None = None,
        sop_uid: str | None = None,
        *,
        events: RemovalEventsOf | None = None,
    ) -> list[Stored]:
        """Take a study, a series or an instance out of the index, in one transaction; parents without children go too.

        The transaction has the events that `events` makes of what it removes. Where nothing is removed, it is not
        called.

        Returns what was removed; the keys are discarded.
        """
        ...

    def discard(self, keys: Iterable[str]) -> list[str]:
        """Enter keys in the list of discarded keys, and return those of them that no row refers to (now entered)."""
        ...

    def discarded(self, limit: int) -> list[str]:
        """Return keys whose objects are still to be deleted from the storage."""
        ...

    def deleted(self, keys: Iterable[str]) -> None:
        """Say that the objects of discarded keys are gone."""
        ...

    def pending(self, limit: int, *, relay: str, lease: float) -> list[Event]:
        """Return the oldest events that are not published, in order.

        One relay at a time gets them, so that the events of a key stay in order: `relay` is the caller's own name, and
        holds the outbox for `lease` seconds from each call on; others are given nothing meanwhile. A call with a limit
        and a lease of 0 gives the outbox back.
        """
        ...

    def published(self, events: Iterable[Event]) -> None:
        """Say that events have reached the broker."""
        ...

    def backlog(self) -> Backlog:
        """Tell how many events wait."""
        ...

    def check(self) -> Health:
        """Find out whether the index can be read and written. It may raise, and may hang: see `Health`."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


@runtime_checkable
class Migrations(Protocol):
    """A database whose schema has versions. Opening one whose version does not fit raises `SchemaVersionError`."""

    def schema_version(self) -> tuple[str | None, str]:
        """Return the version that the database has (None: empty) and the one that this code needs."""
        ...

    def migrate(self) -> None:
        """Bring the schema to the version that this code needs; one that is newer: `SchemaVersionError`."""
        ...


@runtime_checkable
class KeptFrames(Protocol):
    """A database that keeps where the frames of an instance lie in its object: one range read then gives a frame.

    What is kept are the bytes of `Entry.frames`, which no database looks into; `dicom_common.dicom.FrameIndex` makes
    and reads them. They are replaced with the instance and go with it.
    """

    def frames(self, tenant: str, study_uid: str, series_uid: str, sop_uid: str) -> tuple[Stored, bytes] | None:
        """Return an instance and what is kept of its frames; `b""`: nothing yet. None: it is not indexed."""
        ...

    def without_frames(self, *, after: str = "") -> Iterator[Stored]:
        """Iterate over the instances of which nothing is kept yet, as `Database.walk` does."""
        ...

    def keep_frames(self, frames: Sequence[tuple[Stored, bytes]]) -> int:
        """Keep what was found later, in one transaction; return for how many instances.

        An instance that is gone, or has other bytes by now (`Stored.sha256`), is passed over.
        """
        ...


@runtime_checkable
class BriefSearches(Protocol):
    """A database that knows which searches it answers at once: an event loop may ask for these by itself."""

    def find_briefly(self, query: Query) -> list[Match] | None:
        """Do what `Database.find` does within some 2 ms, without waiting for a server, a lock or another thread.

        None: it gave up, or failed: ask `find`, in a thread. It raises `QueryError` as `find` does.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRows:
    """The rows of a study and its series, or the row of a patient, compared with the instances below."""

    tenant: str
    study_uid: str
    """The study; "" for a patient."""
    wrong: int
    """How many rows were not what the instances say; mostly 0."""


@runtime_checkable
class DerivedRows(Protocol):
    """A database that can compare what it derives with the instances that it derives it from."""

    def compare_rows(self, *, repair: bool) -> Iterator[ComparedRows]:
        """Compare the row of every patient, study and series, its counts, modalities and what else is derived.

        All tenants, a study or a patient at a time. Others may read and write meanwhile.

        Args:
            repair: write the rows as they should be, those of each study and patient in one transaction.
        """
        ...
