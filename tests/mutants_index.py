"""Faults in the index in SQLite."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mutants import mutant

from dicom_common.core import AddStatus, BackendError, Query
from dicom_common.db.sqlite import SqliteDatabase as Index

B = "index"


def others(index: Any, tenant: str) -> list[str]:
    """Tell which other tenants there are."""
    return sorted({one.tenant for one in index.walk()} - {tenant})


# Adding


@mutant(B, Index, "add", "kill")
def adds_one_by_one(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    outcomes = [outcome for entry in entries for outcome in original(self, [entry])]
    if events is not None:
        original(self, [], events=lambda _: events(outcomes))
    return outcomes


@mutant(B, Index, "add", "kill")
def commits_the_events_later(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    outcomes = original(self, entries)
    if events is not None:
        original(self, [], events=lambda _: events(outcomes))
    return outcomes


@mutant(B, Index, "add", "event")
def loses_the_last_event(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    return original(self, entries, events=events and (lambda outcomes: list(events(outcomes))[:-1]))


@mutant(B, Index, "add", "twice or again")
def calls_everything_added(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    found = original(self, entries, events=events)
    return [replace(one, status=AddStatus.ADDED) if one.status is AddStatus.SAME else one for one in found]


@mutant(B, Index, "add", "replace")
def replaces_nothing(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    return original(self, [replace(entry, replace=False) for entry in entries], events=events)


@mutant(B, Index, "add", "tenant")
def folds_tenants(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    return original(self, [replace(entry, tenant="local") for entry in entries], events=events)


@mutant(B, Index, "add", "metadata")
def keeps_no_metadata(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    return original(self, [replace(entry, metadata=b"{}") for entry in entries], events=events)


@mutant(B, Index, "add", "received or latest")
def takes_the_time_of_the_receipt_from_the_first(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    first = entries[0].received if entries else None
    return original(self, [replace(entry, received=first) for entry in entries], events=events)


@mutant(B, Index, "add", "twice")
def answers_backwards(original: Any, self: Any, entries: Any, *, events: Any = None) -> Any:
    return original(self, entries, events=events)[::-1]


# Searching


@mutant(B, Index, "find", "tenants")
def leaks_another_tenant(original: Any, self: Any, query: Query) -> Any:
    found = original(self, query)
    for other in others(self, query.tenant):
        found += original(self, replace(query, tenant=other))
    return found


@mutant(B, Index, "find", "limit or page")
def ignores_the_limit(original: Any, self: Any, query: Query) -> Any:
    return original(self, replace(query, limit=None) if hasattr(query, "limit") else query)


@mutant(B, Index, "find", "offset or page")
def ignores_the_offset(original: Any, self: Any, query: Query) -> Any:
    return original(self, replace(query, offset=0))


@mutant(B, Index, "find", "order or search")
def finds_backwards(original: Any, self: Any, query: Query) -> Any:
    return original(self, query)[::-1]


@mutant(B, Index, "find", "search")
def drops_a_condition(original: Any, self: Any, query: Query) -> Any:
    return original(self, replace(query, conditions=query.conditions[:-1]))


@mutant(B, Index, "find", "field")
def gives_every_field(original: Any, self: Any, query: Query) -> Any:
    return original(self, replace(query, fields=None))


@mutant(B, Index, "find", "any_text")
def strips_values(original: Any, self: Any, query: Query) -> Any:
    return [
        {key: value.strip() if isinstance(value, str) else value for key, value in row.items()}
        for row in original(self, query)
    ]


@mutant(B, Index, "count", "count")
def counts_without_conditions(original: Any, self: Any, query: Query) -> Any:
    return original(self, replace(query, conditions=()))


@mutant(B, Index, "count", "pages_put")
def counts_a_page(_original: Any, self: Any, query: Query) -> Any:
    return len(self.find(query))


@mutant(B, Index, "metadata", "metadata_come")
def gives_metadata_backwards(original: Any, *arguments: Any, **named: Any) -> Any:
    yield from list(original(*arguments, **named))[::-1]


@mutant(B, Index, "stored", "tenants")
def looks_up_in_every_tenant(original: Any, self: Any, tenant: str, sop_uids: Any) -> Any:
    uids = list(sop_uids)
    found: dict[str, Any] = {}
    for each in (*others(self, tenant), tenant):
        found |= original(self, each, uids)
    return found


@mutant(B, Index, "walk", "walk_is")
def walks_one_page(original: Any, self: Any, *, after: str = "") -> Any:
    yield from list(original(self, after=after))[:500]


# Removing and discarded keys


@mutant(B, Index, "remove", "removing")
def removes_nothing(_original: Any, self: Any, *arguments: Any, **_: Any) -> Any:
    return list(self.instances(*arguments))


@mutant(B, Index, "remove", "tenants or removing")
def removes_from_every_tenant(original: Any, self: Any, tenant: str, *arguments: Any, **named: Any) -> Any:
    for other in others(self, tenant):
        original(self, other, *arguments)
    return original(self, tenant, *arguments, **named)


@mutant(B, Index, "remove", "events_of_a_removal")
def removes_without_events(original: Any, self: Any, *arguments: Any, **_: Any) -> Any:
    return original(self, *arguments)


@mutant(B, Index, "remove", "removing_an_instance")
def removes_the_whole_study(original: Any, self: Any, tenant: str, study_uid: str, *_: Any, **named: Any) -> Any:
    return original(self, tenant, study_uid, **named)


@mutant(B, Index, "discarded", "discard")
def forgets_discarded_keys(original: Any, self: Any, limit: int) -> Any:
    return original(self, limit)[:0]


@mutant(B, Index, "deleted", "discard")
def keeps_keys_that_are_deleted(_original: Any, _self: Any, _keys: Any) -> None:
    return None


@mutant(B, Index, "discard", "discarded")
def discards_keys_in_use(original: Any, self: Any, keys: Any) -> Any:
    every = list(keys)
    original(self, every)
    return every


@mutant(B, Index, "owners", "added_instance")
def knows_no_owners(_original: Any, _self: Any, _keys: Any) -> Any:
    return {}


# The outbox


@mutant(B, Index, "pending", "one_relay")
def gives_events_to_every_relay(original: Any, self: Any, limit: int, *, relay: str, lease: float) -> Any:
    del relay
    return original(self, limit, relay="all", lease=lease)


@mutant(B, Index, "pending", "relay_that_died")
def never_ends_a_lease(original: Any, self: Any, limit: int, *, relay: str, lease: float) -> Any:
    return original(self, limit, relay=relay, lease=max(lease, 3600))


@mutant(B, Index, "pending", "events_come")
def gives_the_latest_events_first(original: Any, self: Any, limit: int, *, relay: str, lease: float) -> Any:
    return original(self, limit, relay=relay, lease=lease)[::-1]


@mutant(B, Index, "published", "published")
def publishes_again_and_again(_original: Any, _self: Any, _events: Any) -> None:
    return None


@mutant(B, Index, "published", "published")
def forgets_what_waits(original: Any, self: Any, events: Any) -> None:
    original(self, list(events) + self.pending(10_000, relay="test", lease=0))


@mutant(B, Index, "backlog", "backlog")
def knows_no_backlog(original: Any, self: Any) -> Any:
    return replace(original(self), events=0)


# Further abilities, and life


@mutant(B, Index, "revisions", "revision")
def keeps_one_revision(original: Any, *arguments: Any, **named: Any) -> Any:
    return [replace(one, revision="1") for one in original(*arguments, **named)]


@mutant(B, Index, "changed_series", "changed_series")
def tells_of_changes_too_early(original: Any, self: Any, *, before: Any, after: str = "") -> Any:
    yield from original(self, before=before + timedelta(days=1), after=after)


@mutant(B, Index, "keep_frames", "frames")
def keeps_frames_of_other_bytes(original: Any, self: Any, frames: Any) -> Any:
    there = [(self.frames("local", one.study_uid, one.series_uid, one.sop_uid), data) for one, data in frames]
    return original(self, [(found[0], data) for found, data in there if found is not None])


@mutant(B, Index, "close", "closed")
def does_not_close(_original: Any, _self: Any) -> None:
    return None


@mutant(B, Index, "close", "closed")
def closes_only_once(original: Any, self: Any) -> None:
    if getattr(self, "is_closed", False):
        raise BackendError("It is closed.")
    original(self)
    self.is_closed = True


@mutant(B, Index, "check", "closed")
def is_always_well(original: Any, self: Any) -> Any:
    self.health = getattr(self, "health", None) or original(self)
    return self.health
