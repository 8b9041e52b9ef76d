"""What a batch, or a removal, changes in an index: decided in memory, from what the index has of their like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from dicom_common.core import AddStatus, Entry, Instance, Level, Outcome, Removed, Stored
from dicom_common.toolkit._index_rows import derive_rows, owner_of, patient_of, rows_at

__all__ = ["Added", "add_entries", "in_order", "may_relay", "removed_from", "stored_of"]

Identity = tuple[str, str]
"""A tenant, and the SOP Instance UID of an instance of it."""


@dataclass(slots=True, kw_only=True)
class Added:
    """What a batch changes."""

    outcomes: list[Outcome]
    """In the order of the entries."""
    written: dict[Identity, Entry] = field(default_factory=dict)
    """The instances that are to be written, in the place of those of the same identity."""
    discarded: set[str] = field(default_factory=set)
    """The keys that are to be entered in the list of discarded keys."""


def add_entries(
    entries: Sequence[Entry],
    *,
    known: Iterable[Entry],
    retired: Collection[str],
    referred: Callable[[Collection[str]], Iterable[str]],
) -> Added:
    """Decide on a batch; see `Database.add`. The caller holds whatever keeps others from writing meanwhile.

    Args:
        entries: the batch.
        known: of the tenants of the batch, every instance that the index has of a study or series of the batch, or
            under a SOP Instance UID of it. More do no harm.
        retired: which keys of the batch are in the list of discarded keys, or were within a day.
        referred: returns those of some keys that instances of the index refer to, of all tenants; once for each.
    """
    batch = _Batch(known, retired, referred)
    decided = [batch.decide(entry) for entry in entries]
    outcomes = [
        replace(outcome, series_instances=batch.count(entry)) for outcome, entry in zip(decided, entries, strict=True)
    ]
    return Added(outcomes=outcomes, written=batch.written, discarded=batch.discarded)


class _Batch:
    def __init__(
        self,
        known: Iterable[Entry],
        retired: Collection[str],
        referred: Callable[[Collection[str]], Iterable[str]],
    ) -> None:
        self.held: dict[Identity, Entry] = {}
        self.studies: dict[Identity, dict[str, Entry]] = {}
        self.series: dict[tuple[str, str, str], set[str]] = {}
        self.series_studies: dict[Identity, set[str]] = {}
        self.written: dict[Identity, Entry] = {}
        self.discarded: set[str] = set()
        self._retired, self._ask = set(retired), referred
        self._more: Counter[str] = Counter()
        """How many more instances refer to a key than when the batch began."""
        for entry in known:
            self._take(entry)

    def decide(self, entry: Entry) -> Outcome:
        instance, tenant = entry.instance, entry.tenant
        held = self.held.get((tenant, instance.sop_uid))
        study = self.studies.get((tenant, instance.study_uid), {})
        differs = bool(study) and owner_of(study.values()) != patient_of(instance)
        status = _compare(held, entry)
        if status in (AddStatus.ADDED, AddStatus.REPLACED):
            if differs and not entry.accept_other_patient:
                status = AddStatus.OTHER_PATIENT
            elif entry.key in self._retired:
                status = AddStatus.RETIRED
        if status in (AddStatus.ADDED, AddStatus.REPLACED):
            self._take(entry)
            self.written[tenant, instance.sop_uid] = entry
            self._more[entry.key] += 1
            if held is not None:
                self._more[held.key] -= 1
                self._discard(held.key)
            held = entry
        elif status is AddStatus.SAME or not entry.keeps_key:
            self._discard(entry.key)
        elsewhere = self.series_studies.get((tenant, instance.series_uid), set()) - {instance.study_uid}
        return Outcome(
            status=status,
            key=held.key if held else "",
            sha256=held.instance.sha256 if held else "",
            patient_differs=differs,
            series_in_other_study=bool(elsewhere),
        )

    def count(self, entry: Entry) -> int:
        """Count the instances of the series of an entry."""
        instance = entry.instance
        return len(self.series.get((entry.tenant, instance.study_uid, instance.series_uid), ()))

    def _take(self, entry: Entry) -> None:
        tenant, instance = entry.tenant, entry.instance
        self.held[tenant, instance.sop_uid] = entry
        self.studies.setdefault((tenant, instance.study_uid), {})[instance.sop_uid] = entry
        self.series.setdefault((tenant, instance.study_uid, instance.series_uid), set()).add(instance.sop_uid)
        self.series_studies.setdefault((tenant, instance.series_uid), set()).add(instance.study_uid)

    def _discard(self, key: str) -> None:
        if sum(1 for _ in self._ask([key])) + self._more[key] == 0:
            self._retired.add(key)
            self.discarded.add(key)


def _compare(held: Entry | None, entry: Entry) -> AddStatus:
    if held is None:
        return AddStatus.ADDED
    there, instance = held.instance, entry.instance
    if (there.study_uid, there.series_uid) != (instance.study_uid, instance.series_uid):
        return AddStatus.MISPLACED
    if there.sha256 == instance.sha256:
        return AddStatus.SAME
    return AddStatus.REPLACED if entry.replace else AddStatus.CONFLICT


def removed_from(entries: Iterable[Entry], gone: Collection[str]) -> list[Removed]:
    """Return what a removal tells of; see `Database.remove`.

    Args:
        entries: all instances of the tenant, before the removal.
        gone: the SOP Instance UIDs of those that are removed.
    """
    everything = list(entries)
    left = [entry for entry in everything if entry.instance.sop_uid not in gone]
    series = {
        (row.values["StudyInstanceUID"], row.values["SeriesInstanceUID"]): row.values
        for row in rows_at(derive_rows(left), Level.SERIES)
    }
    return [
        Removed(
            tenant=entry.tenant,
            key=entry.key,
            instance=_as_known(entry.instance),
            received=entry.received,
            series=series.get((entry.instance.study_uid, entry.instance.series_uid)),
        )
        for entry in in_order(everything)
        if entry.instance.sop_uid in gone
    ]


def _as_known(instance: Instance) -> Instance:
    """Return an instance with its Study Date as the index has it: how the data set wrote it is not kept."""
    day = instance.study_date
    return replace(instance, study_date_origin="" if day is None else f"{day:%Y%m%d}")


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the instances of a tenant in the order of `Database.find`."""
    return [row.entries[0] for row in rows_at(derive_rows(entries), Level.INSTANCE)]


def stored_of(entry: Entry) -> Stored:
    """Return what the index answers of an instance."""
    instance = entry.instance
    return Stored(
        tenant=entry.tenant,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_uid=instance.sop_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        key=entry.key,
        size=instance.size,
        sha256=instance.sha256,
    )


def may_relay(holder: str | None, until: float, relay: str, now: float) -> bool:
    """Tell whether a relay may have the outbox, so that one at a time does; see `Database.pending`.

    Args:
        holder: the relay that has it; None: no relay has had it yet.
        until: when that one's lease ends, in seconds since 1970.
        relay: the relay that asks.
        now: the present moment, likewise.
    """
    return holder is None or holder == relay or until <= now
