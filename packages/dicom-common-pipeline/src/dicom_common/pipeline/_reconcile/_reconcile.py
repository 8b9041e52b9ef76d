"""Bringing storage and index together again: after a crash, after a loss, or to be sure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any, TypeVar

from dicom_common.core import AddStatus, DerivedRows, Entry, Event, LogRecord, NotFoundError, Origin, Outcome, Stored
from dicom_common.host import Config, Services
from dicom_common.pipeline._crew import Crew, WorkerDiedError, default_jobs, in_order
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._messages import ingest_events, keeps_log, node_id
from dicom_common.pipeline._reconcile._claimed import Claimed
from dicom_common.pipeline._reconcile._compare import Pair, compare_task, is_intact, pairs
from dicom_common.pipeline._reconcile._examine import Orphan, Unreadable, examine_task
from dicom_common.pipeline._reconcile._journal import Journal, Note
from dicom_common.pipeline._settings import IngestSettings, TopicSettings
from dicom_common.pipeline._sweep import sweep

__all__ = ["Difference", "DifferenceKind", "Progress", "Reconciliation"]

_BATCH = 200
T = TypeVar("T")


class DifferenceKind(StrEnum):
    """What is wrong with a key."""

    ORPHAN = "orphan"
    """An object that can be indexed and is not: what a crash between write and commit leaves."""
    STRAY = "stray"
    """An object whose SOP Instance UID is indexed with another object."""
    UNREADABLE = "unreadable"
    """An object that is no DICOM instance. Never touched."""
    MISSING = "missing"
    """A row whose object is not there. Never repaired: restore the object, or remove the instance."""
    DAMAGED = "damaged"
    """An object whose bytes are not those that were indexed. Never repaired."""
    DERIVED = "derived"
    """Rows of a study, or of a patient, that are not what its instances say."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between storage and index, and what was done about it."""

    kind: DifferenceKind
    key: str
    action: str
    """`indexed`, `discarded`, `repaired`, or `none`."""
    detail: str = ""


@dataclass(slots=True)
class Progress:
    """How far a reconciliation is."""

    phase: str = "compare"
    """`compare`, then `index`, then `derive`."""
    compared: int = 0
    """Keys that storage or index have."""
    bytes_verified: int = 0
    to_index: int = 0
    """Orphans that are to be read."""
    indexed: int = 0
    wrong_rows: int = 0
    """Rows of patients, studies and series that were not what their instances say."""
    differences: dict[DifferenceKind, int] = field(default_factory=dict)


class Reconciliation:
    """Compares storage and index in both directions, and what the index derives with the instances that it has.

    Without `repair` it only tells. With it, orphans are indexed and their events published, and strays are discarded:
    the index says which object of an instance counts, as long as that object is intact. The object of a dead letter is
    kept as long as the letter waits, all strays while messages wait for the workers, and in queued mode those of the
    last hour with bytes of their own. With `rebuild` the index is made anew from the storage (for an index that is
    empty or has lost rows): orphans are indexed in the order in which they were written, without events; strays are
    left alone, since there is nobody to say which object counts, unless the duplicate policy is `replace`, by which the
    later one counts. Either repairs the rows of patients, studies and series that are not what their instances say.

    A rebuild takes an instance for received when its object was written, as the ingest does. So the rows are those that
    were there before, as long as the storage keeps those times: a copy that was restored has to bring them along.

    Instances may be taken in meanwhile, but not while an index is rebuilt: what is not indexed yet cannot be compared
    with what arrives. It can be interrupted; the next one with the same options goes on where it stopped, for a day,
    and tells again what was found before. One at a time has a data folder.

    Args:
        config: the configuration; every worker process opens its own services from it.
        repair: see above.
        rebuild: see above.
        digests: read every object and compare its digest; else only its size.
        jobs: worker processes.
        restart: forget an interrupted run.
        on_progress: is called now and then.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of the person who calls the command
        self,
        config: Config,
        *,
        repair: bool = False,
        rebuild: bool = False,
        digests: bool = True,
        jobs: int | None = None,
        restart: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._repair = repair
        self._rebuild = rebuild
        self._digests = digests
        self._jobs = jobs or default_jobs()
        self._restart = restart
        self._on_progress = on_progress
        self.progress = Progress()

    def run(self) -> Iterator[Difference]:
        """Reconcile, and yield each difference as it is found and dealt with.

        Raises:
            DicomCommonError: a backend failed; another run goes on from there.
        """
        file = self._config.general.data / "reconcile.sqlite"
        options = f"repair={self._repair} rebuild={self._rebuild} digests={self._digests}"
        with (
            Services(self._config) as services,
            closing(Journal(file, options=options, restart=self._restart)) as journal,
        ):
            earlier = (Difference(DifferenceKind(kind), *rest) for kind, *rest in journal.notes())
            yield from map(self._counted, earlier)
            self._claimed = Claimed(services)
            self._sweep(services)
            yield from map(self._counted, self._compare(services, journal))
            self.progress.phase = "index"
            self.progress.to_index = journal.count()
            yield from map(self._counted, self._index(services, journal))
            self._sweep(services)
            self.progress.phase = "derive"
            yield from map(self._counted, self._derive(services))
            journal.finish()

    def _compare(self, services: Services, journal: Journal) -> Iterator[Difference]:
        batches = _batches(pairs(services, after=journal.after))
        compared: Iterable[tuple[list[Pair], Any]] = ((batch, []) for batch in batches)
        if self._digests:
            compared = in_order(self._config, services, compare_task, batches, self._jobs)
        for batch, damaged in compared:
            if isinstance(damaged, WorkerDiedError):
                raise damaged
            orphans = [
                (pair.key, pair.modified, pair.size) for pair in batch if pair.modified is not None and not pair.stored
            ]
            found = list(_differences(services, batch, damaged))
            journal.advance(batch[-1].key, orphans, map(_note, found))
            self.progress.compared += len(batch)
            self.progress.bytes_verified += sum(pair.size for pair in batch) if self._digests else 0
            self._on_progress(self.progress)
            yield from found

    def _index(self, services: Services, journal: Journal) -> Iterator[Difference]:
        batches = _batches(journal.orphans())
        for orphans, examined in in_order(self._config, services, examine_task, batches, self._jobs):
            answers = self._one_by_one(orphans) if isinstance(examined, WorkerDiedError) else examined
            found = [
                Difference(DifferenceKind.UNREADABLE, answer[0], "none", answer[1])
                for answer in answers
                if not isinstance(answer, Entry) and answer[1]
            ]
            entries = [answer for answer in answers if isinstance(answer, Entry)]
            for group in distinct_groups(entries, lambda entry: (entry.tenant, entry.instance.sop_uid)):
                found += self._deal_with(services, group)
            journal.settle(orphans, map(_note, found))
            self.progress.indexed += len(answers)
            self._on_progress(self.progress)
            yield from found

    def _derive(self, services: Services) -> Iterator[Difference]:
        if not isinstance(services.db, DerivedRows):
            return
        changes = self._repair or self._rebuild
        for found in services.db.compare_rows(repair=changes):
            self.progress.wrong_rows += found.wrong
            self._on_progress(self.progress)
            if found.wrong:
                what = f"{found.tenant}/{found.study_uid}" if found.study_uid else found.tenant
                detail = f"{found.wrong} rows" if found.study_uid else "the row of a patient"
                yield Difference(DifferenceKind.DERIVED, what, "repaired" if changes else "none", detail)

    def _one_by_one(self, orphans: Sequence[Orphan]) -> list[Entry | Unreadable]:
        """Examine a batch at which a worker died: the object to blame is told, the others are taken."""
        crew: Crew[list[Orphan], list[Entry | Unreadable]] = Crew(self._config, examine_task, 1)
        answers: list[Entry | Unreadable] = []
        for [orphan], answer in crew.run([orphan] for orphan in orphans):
            answers += [(orphan[0], "reader-died")] if isinstance(answer, WorkerDiedError) else answer
        return answers

    def _deal_with(self, services: Services, entries: Sequence[Entry]) -> Iterator[Difference]:
        """Index orphans, or tell of them. The SOP Instance UIDs of the entries are distinct."""
        settings = services.settings("ingest", IngestSettings)
        accept_other_patient = self._rebuild or settings.other_patient == "accept-first"
        new = []
        for tenant in sorted({entry.tenant for entry in entries}):
            ours = [entry for entry in entries if entry.tenant == tenant]
            known = services.db.stored(tenant, [entry.instance.sop_uid for entry in ours])
            for entry in ours:
                stored = known.get(entry.instance.sop_uid)
                if stored is not None and stored.key == entry.key:
                    continue  # indexed meanwhile
                if stored is None:
                    new.append(replace(entry, accept_other_patient=accept_other_patient, keeps_key=True))
                elif self._rebuild and settings.duplicates == "replace" and _is_later(services, entry, stored):
                    new.append(replace(entry, replace=True, keeps_key=True))
                else:
                    yield self._stray(services, entry, stored)
        if not (self._repair or self._rebuild):
            yield from (Difference(DifferenceKind.ORPHAN, entry.key, "none") for entry in new)
        elif new:
            yield from self._add(services, new)

    def _stray(self, services: Services, entry: Entry, stored: Stored) -> Difference:
        if not self._repair or self._rebuild:
            return Difference(DifferenceKind.STRAY, entry.key, "none")
        if not is_intact(services.storage, stored):
            # It may be the only good copy that there is.
            detail = "the object that is indexed is missing or damaged"
            return Difference(DifferenceKind.STRAY, entry.key, "none", detail)
        is_copy = entry.instance.sha256 == stored.sha256
        if detail := self._claimed.why(entry.key, entry.received, is_copy=is_copy):
            return Difference(DifferenceKind.STRAY, entry.key, "none", detail)
        discarded = services.db.discard([entry.key])
        return Difference(DifferenceKind.STRAY, entry.key, "discarded" if discarded else "none")

    def _add(self, services: Services, entries: Sequence[Entry]) -> Iterator[Difference]:
        topics, settings = services.settings("topics", TopicSettings), services.settings("ingest", IngestSettings)
        origins = [Origin(source="reconcile")] * len(entries)

        def events(outcomes: Sequence[Outcome]) -> Iterable[Event | LogRecord]:
            log = keeps_log(services.db, settings)
            return ingest_events(entries, origins, outcomes, topics, node_id(), log=log)

        # Who listens to the events of an index has had those of the rows that a rebuild only restores.
        outcomes = services.db.add(entries, events=None if self._rebuild else events)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if outcome.status in (AddStatus.ADDED, AddStatus.REPLACED):
                yield Difference(DifferenceKind.ORPHAN, entry.key, "indexed")
            elif outcome.status is AddStatus.SAME:  # indexed meanwhile, and this one discarded
                yield Difference(DifferenceKind.STRAY, entry.key, "discarded", outcome.status)
            elif outcome.status is not AddStatus.RETIRED:
                yield self._refused(services, entry, outcome)

    def _refused(self, services: Services, entry: Entry, outcome: Outcome) -> Difference:
        if detail := outcome.status if self._rebuild else self._claimed.why(entry.key, entry.received):
            return Difference(DifferenceKind.STRAY, entry.key, "none", detail)
        discarded = services.db.discard([entry.key])
        return Difference(DifferenceKind.STRAY, entry.key, "discarded" if discarded else "none", outcome.status)

    def _sweep(self, services: Services) -> None:
        while self._repair and sweep(services):
            pass

    def _counted(self, difference: Difference) -> Difference:
        counts = self.progress.differences
        counts[difference.kind] = counts.get(difference.kind, 0) + 1
        return difference


def _differences(services: Services, batch: Sequence[Pair], damaged: Collection[str]) -> Iterator[Difference]:
    for pair in batch:
        if pair.modified is None:
            if _is_gone(services, pair):
                yield Difference(DifferenceKind.MISSING, pair.key, "none")
        elif pair.stored is not None and (pair.key in damaged or pair.size != pair.stored.size):
            yield Difference(DifferenceKind.DAMAGED, pair.key, "none")


def _note(difference: Difference) -> Note:
    return difference.kind, difference.key, difference.action, difference.detail


def _is_later(services: Services, entry: Entry, stored: Stored) -> bool:
    """Tell whether an orphan was written after the object that is indexed."""
    try:
        indexed = services.storage.stat(stored.key)
    except NotFoundError:
        return True
    return (entry.received, entry.key) > (indexed.modified, indexed.key)


def _is_gone(services: Services, pair: Pair) -> bool:
    """Look again: what is written while storage and index are walked may be seen in the one only."""
    try:
        services.storage.stat(pair.key)
    except NotFoundError:
        return pair.key in services.db.owners([pair.key])
    return False


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, _BATCH)):
        yield batch
