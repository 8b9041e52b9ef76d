"""Bringing storage and index together again: after a crash, after a loss, or to be sure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from dicom_common.core import (
    AddStatus,
    DamagedError,
    DerivedRows,
    Entry,
    KeptFrames,
    NotFoundError,
    Origin,
    Stored,
    uuid7,
)
from dicom_common.host import Config, Services
from dicom_common.pipeline._discarded import delete_discarded
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._messages import IngestEvents, Trace, node_id
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._process_pool import ProcessPool, WorkerDiedError, default_jobs, in_order
from dicom_common.pipeline._reconcile._compare import Pair, compare_task, is_intact, pairs
from dicom_common.pipeline._reconcile._differences import Action, Difference, DifferenceKind, Phase, Progress
from dicom_common.pipeline._reconcile._find_frames import find_frames_task, waiting_for_frames
from dicom_common.pipeline._reconcile._journal import Journal, Note
from dicom_common.pipeline._reconcile._needed import NeededObjects
from dicom_common.pipeline._reconcile._read_orphans import Orphan, Unreadable, read_orphans_task
from dicom_common.pipeline._settings import IngestSettings, TopicSettings
from dicom_common.pipeline._shared_index import keeps_log

__all__ = ["Reconciliation"]

_BATCH = 200
T = TypeVar("T")
_Read = Entry | Unreadable | None


class Reconciliation:
    """Compares storage and index in both directions, and what the index derives with the instances that it has.

    Without `repair` it only reports. With it, orphans are indexed and their events published, and strays are discarded:
    the index decides which object of an instance counts, as long as that object is intact. The object of a dead letter
    is kept as long as the letter waits, all strays while messages wait for the workers, and in queued mode those of the
    last hour with bytes of their own. With `rebuild` the index is made anew from the storage (for an index that is
    empty or has lost rows): orphans are indexed in the order in which they were written, without events; strays are
    left alone, since it cannot be known which object counts, unless the duplicate policy is `replace`, by which the
    later one counts. Either repairs the rows of patients, studies and series that are not what their instances say.

    A rebuild takes an instance for received when its object was written, as the ingest does. So the rows are those that
    were there before, as long as the storage keeps those times: a copy that was restored has to bring them along.

    Instances may be taken in meanwhile, but not while an index is rebuilt: what is not indexed yet cannot be compared
    with what arrives. It can be interrupted; the next one with the same options goes on where it stopped, for a day,
    and reports again what was found before. A data folder has one at a time.

    Args:
        config: the configuration; every worker process opens its own services from it.
        repair: see above.
        rebuild: see above.
        frames: find the frames of instances of which the index keeps nothing, such as those that were indexed before it
            kept any, and those that workers indexed from a storage elsewhere. The headers of their objects are read,
            and of encapsulated pixel data those of the fragments. The next run asks only for what is still missing.
        digests: read every object and compare its digest; else only its size.
        jobs: worker processes.
        restart: forget an interrupted run.
        on_progress: called now and then.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of the person who calls the command
        self,
        config: Config,
        *,
        repair: bool = False,
        rebuild: bool = False,
        frames: bool = False,
        digests: bool = True,
        jobs: int | None = None,
        restart: bool = False,
        on_progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._repair = repair
        self._rebuild = rebuild
        self._frames = frames
        self._digests = digests
        self._jobs = jobs or default_jobs()
        self._restart = restart
        self._on_progress = on_progress
        self.progress = Progress()

    def run(self) -> Iterator[Difference]:
        """Reconcile, and yield each difference as it is found and repaired.

        Raises:
            DicomCommonError: a backend failed; another run goes on from there.
        """
        file = self._config.general.data / "reconcile.sqlite"
        options = f"repair={self._repair} rebuild={self._rebuild} digests={self._digests}"
        with (
            Services(self._config) as services,
            closing(Journal(file, options=options, restart=self._restart)) as journal,
        ):
            earlier = (_difference(*note) for note in journal.notes())
            yield from map(self._counted, earlier)
            self._needed = NeededObjects(services)
            self._delete_discarded(services)
            yield from map(self._counted, self._compare(services, journal))
            self.progress.phase = Phase.INDEX
            self.progress.to_index = journal.count()
            yield from map(self._counted, self._index(services, journal))
            self._delete_discarded(services)
            self.progress.phase = Phase.DERIVE
            yield from map(self._counted, self._derive(services))
            if self._frames:
                self.progress.phase = Phase.FRAMES
                self._find_frames(services)
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
        for orphans, read in in_order(self._config, services, read_orphans_task, batches, self._jobs):
            answers = self._one_by_one(orphans) if isinstance(read, WorkerDiedError) else read
            found = [
                Difference(DifferenceKind.UNREADABLE, answer.key, Action.NONE, answer.reason)
                for answer in answers
                if isinstance(answer, Unreadable)
            ]
            entries = [answer for answer in answers if isinstance(answer, Entry)]
            for group in distinct_groups(entries, lambda entry: (entry.tenant, entry.instance.sop_uid)):
                found += self._index_orphans(services, group)
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
                yield Difference(DifferenceKind.DERIVED, what, Action.REPAIRED if changes else Action.NONE, detail)

    def _find_frames(self, services: Services) -> None:
        index = services.db
        if not isinstance(index, KeptFrames):
            return
        batches = _batches(waiting_for_frames(services))
        for batch, found in in_order(self._config, services, find_frames_task, batches, self._jobs):
            if isinstance(found, WorkerDiedError):
                raise found
            self.progress.frames_found += index.keep_frames(
                [(stored, kept) for stored, kept in zip(batch, found, strict=True) if kept]
            )
            self._on_progress(self.progress)

    def _one_by_one(self, orphans: Sequence[Orphan]) -> list[_Read]:
        """Read a batch at which a worker died one by one: the object to blame is reported, the others are taken."""
        pool: ProcessPool[list[Orphan], list[Entry | Unreadable | None]] = ProcessPool(
            self._config, read_orphans_task, 1
        )
        answers: list[Entry | Unreadable | None] = []
        for [orphan], answer in pool.run([orphan] for orphan in orphans):
            answers += (
                [Unreadable(orphan[0], IngestReason.READER_DIED)] if isinstance(answer, WorkerDiedError) else answer
            )
        return answers

    def _index_orphans(self, services: Services, entries: Sequence[Entry]) -> Iterator[Difference]:
        """Index orphans, or report them. The SOP Instance UIDs of the entries are distinct."""
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
            yield from (Difference(DifferenceKind.ORPHAN, entry.key, Action.NONE) for entry in new)
        elif new:
            yield from self._add(services, new)

    def _stray(self, services: Services, entry: Entry, stored: Stored) -> Difference:
        if not self._repair or self._rebuild:
            return Difference(DifferenceKind.STRAY, entry.key, Action.NONE)
        if not is_intact(services.storage, stored):
            # It may be the only good copy that there is.
            detail = "the object that is indexed is missing or damaged"
            return Difference(DifferenceKind.STRAY, entry.key, Action.NONE, detail)
        return self._discard(services, entry, is_copy=entry.instance.sha256 == stored.sha256)

    def _add(self, services: Services, entries: Sequence[Entry]) -> Iterator[Difference]:
        origin = Origin(source="reconcile")
        events = IngestEvents(
            entries=entries,
            traces=[Trace(str(uuid7()), origin, node_id()) for _ in entries],
            topics=services.settings("topics", TopicSettings),
            log=keeps_log(services.db, services.settings("ingest", IngestSettings)),
        )
        # Consumers have had the events of the rows that a rebuild only restores.
        outcomes = services.db.add(entries, events=None if self._rebuild else events)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if outcome.status in (AddStatus.ADDED, AddStatus.REPLACED):
                yield Difference(DifferenceKind.ORPHAN, entry.key, Action.INDEXED)
            elif outcome.status is AddStatus.SAME:  # indexed meanwhile, and this one discarded
                yield Difference(DifferenceKind.STRAY, entry.key, Action.DISCARDED, outcome.status)
            elif outcome.status is not AddStatus.RETIRED:
                if self._rebuild:
                    yield Difference(DifferenceKind.STRAY, entry.key, Action.NONE, outcome.status)
                else:
                    yield self._discard(services, entry, detail=outcome.status)

    def _discard(self, services: Services, entry: Entry, *, is_copy: bool = False, detail: str = "") -> Difference:
        """Discard a stray, unless a message may still need it."""
        need = self._needed.why(entry.key, entry.received, is_copy=is_copy)
        discarded = None if need else services.db.discard([entry.key])
        action = Action.DISCARDED if discarded else Action.NONE
        return Difference(DifferenceKind.STRAY, entry.key, action, need or detail)

    def _delete_discarded(self, services: Services) -> None:
        while self._repair and delete_discarded(services):
            pass

    def _counted(self, difference: Difference) -> Difference:
        counts = self.progress.differences
        counts[difference.kind] = counts.get(difference.kind, 0) + 1
        return difference


def _differences(services: Services, batch: Sequence[Pair], damaged: Collection[str]) -> Iterator[Difference]:
    for pair in batch:
        if pair.modified is None:
            if _is_gone(services, pair):
                yield Difference(DifferenceKind.MISSING, pair.key, Action.NONE)
        elif pair.stored is not None and (pair.key in damaged or pair.size != pair.stored.size):
            yield Difference(DifferenceKind.DAMAGED, pair.key, Action.NONE)


def _difference(kind: str, key: str, action: str, detail: str) -> Difference:
    return Difference(DifferenceKind(kind), key, Action(action), detail)


def _note(difference: Difference) -> Note:
    return difference.kind, difference.key, difference.action, difference.detail


def _is_later(services: Services, entry: Entry, stored: Stored) -> bool:
    """Tell whether an orphan was written after the object that is indexed."""
    try:
        indexed = services.storage.stat(stored.key)
    except (NotFoundError, DamagedError):
        return True
    return (entry.received, entry.key) > (indexed.modified, indexed.key)


def _is_gone(services: Services, pair: Pair) -> bool:
    """Look again: what is written while storage and index are walked may be seen in the one only."""
    try:
        services.storage.stat(pair.key)
    except NotFoundError:
        return pair.key in services.db.owners([pair.key])
    except DamagedError:
        pass  # it is there
    return False


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    items = iter(items)
    while batch := list(islice(items, _BATCH)):
        yield batch
