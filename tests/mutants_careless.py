"""What a careless author does anywhere: an error swallowed, an answer kept, a limit off by one, a wrong holder."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from mutants import mutant
from mutants_index import others

from dicom_common.broker.leases import GroupConsumer as Consumer
from dicom_common.broker.leases._members import Member, Membership
from dicom_common.broker.sqlite import SqliteBroker as Broker
from dicom_common.cache.memory import MemoryCache as Cache
from dicom_common.core import BackendError, Query
from dicom_common.db.sqlite import SqliteDatabase as Index
from dicom_common.storage.filesystem import FilesystemStorage as Storage
from dicom_common.toolkit import OpenUploads

# Errors that are swallowed


class _Swallowing:
    """An upload that lets no error out of its block, and keeps what was written."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> bool:
        self._inner.__exit__(*error)
        return True


@mutant("storage", OpenUploads, "open", "upload")
def swallows_the_error_of_an_upload(original: Any, *arguments: Any) -> Any:
    return _Swallowing(original(*arguments))


@mutant("storage", Storage, "write_many", "batch")
def swallows_the_errors_of_a_batch(original: Any, self: Any, writes: Any) -> Any:
    answers = original(self, writes)
    good = next((answer for answer in answers if not isinstance(answer, BackendError)), None)
    return [good if good is not None and isinstance(answer, BackendError) else answer for answer in answers]


@mutant("index", Index, "remove", "removal_of_which")
def removes_although_its_events_fail(original: Any, self: Any, *arguments: Any, events: Any = None) -> Any:
    removed: list[Any] = []

    def keep(some: Any) -> list[Any]:
        removed.extend(some)
        return []

    stored = original(self, *arguments, events=keep)
    if events is not None and removed:
        self.add([], events=lambda _: events(removed))
    return stored


@mutant("broker", Consumer, "close", "comes_again_after_close")
def acknowledges_at_its_close(original: Any, self: Any) -> None:
    if self._store is not None:
        left = {one: set(reading.in_flight) for one, reading in self._readings.items() if reading.in_flight}
        if left:
            self._write_offsets(self._store, left)
    original(self)


# Answers that are kept


@mutant("storage", Storage, "stat", "another_one")
def keeps_what_it_knows_of_an_object(original: Any, self: Any, key: str) -> Any:
    known = self.__dict__.setdefault("known", {})
    if self._uploads is None or key not in known:
        known[key] = original(self, key)
    return known[key]


@mutant("storage", Storage, "scan", "scan or deleting")
def keeps_a_listing(original: Any, self: Any, prefix: str = "", *, after: str = "") -> Any:
    lists = self.__dict__.setdefault("lists", {})
    if (prefix, after) not in lists:
        lists[prefix, after] = list(original(self, prefix, after=after))
    yield from lists[prefix, after]


@mutant("index", Index, "find", "replace or removing")
def keeps_the_answer_of_a_search(original: Any, self: Any, query: Query) -> Any:
    answers = self.__dict__.setdefault("answers", {})
    if repr(query) not in answers:
        answers[repr(query)] = original(self, query)
    return answers[repr(query)]


@mutant("index", Index, "stored", "another_one")
def keeps_where_an_instance_was(original: Any, self: Any, tenant: str, sop_uids: Any) -> Any:
    known = self.__dict__.setdefault("places", {})
    uids = list(sop_uids)
    found = original(self, tenant, [uid for uid in uids if (tenant, uid) not in known])
    known |= {(tenant, uid): stored for uid, stored in found.items()}
    return {uid: known[tenant, uid] for uid in uids if (tenant, uid) in known}


# Ranges, limits and counts


@mutant("storage", Storage, "read", "range")
def reads_the_last_byte_where_the_start_is_beyond(
    original: Any, self: Any, key: str, *, start: int = 0, length: int | None = None
) -> Any:
    return original(self, key, start=min(start, max(self.stat(key).size - 1, 0)), length=length)


@mutant("storage", Storage, "read", "range")
def fails_where_the_start_is_beyond(
    original: Any, self: Any, key: str, *, start: int = 0, length: int | None = None
) -> Any:
    if start > self.stat(key).size:
        raise BackendError("The object ends before this range.")
    return original(self, key, start=start, length=length)


@mutant("storage", Storage, "scan", "prefix")
def ignores_after_below_a_prefix(original: Any, self: Any, prefix: str = "", *, after: str = "") -> Any:
    yield from original(self, prefix, after="" if prefix else after)


@mutant("index", Index, "find", "limit or page")
def finds_one_more_than_the_limit(original: Any, self: Any, query: Query) -> Any:
    return original(self, query if query.limit is None else replace(query, limit=query.limit + 1))


@mutant("index", Index, "pending", "events_come or many_events")
def gives_one_event_less_than_the_limit(original: Any, self: Any, limit: int, *, relay: str, lease: float) -> Any:
    return original(self, max(limit - 1, 0) if limit < 100 else limit, relay=relay, lease=lease)


@mutant("index", Index, "discarded", "discard")
def ignores_the_limit_of_discarded_keys(original: Any, self: Any, limit: int) -> Any:
    return original(self, limit and 10_000)


@mutant("index", Index, "walk", "walk")
def walks_from_after_on(original: Any, self: Any, *, after: str = "") -> Any:
    everything = original(self)
    yield from (one for one in everything if one.key.encode() >= after.encode("utf-8", "surrogatepass"))


@mutant("broker", Broker, "backlog", "backlog")
def counts_one_message_less(original: Any, self: Any, topic: str, group: str) -> Any:
    return max(original(self, topic, group) - 1, 0)


@mutant("cache", Cache, "_keep", "limit")
def keeps_less_than_its_limit(original: Any, self: Any, key: str, value: bytes, expires: float) -> None:
    if len(value) < self._settings.max_value_bytes:
        original(self, key, value, expires)


# Tenants


@mutant("index", Index, "find", "random_history")
def counts_instances_of_every_tenant(original: Any, self: Any, query: Query) -> Any:
    found = original(self, query)
    for row in found:
        if "NumberOfStudyRelatedInstances" in row:
            there = [
                list(self.instances(one, row["StudyInstanceUID"]))
                for one in (*others(self, query.tenant), query.tenant)
            ]
            row["NumberOfStudyRelatedInstances"] = sum(map(len, there))
    return found


@mutant("index", Index, "count", "tenants")
def counts_every_tenant(original: Any, self: Any, query: Query) -> Any:
    return sum(original(self, replace(query, tenant=one)) for one in (*others(self, query.tenant), query.tenant))


@mutant("index", Index, "metadata", "tenants")
def gives_metadata_of_every_tenant(original: Any, self: Any, tenant: str, *arguments: Any) -> Any:
    for one in (*others(self, tenant), tenant):
        yield from original(self, one, *arguments)


# Leases and their holders


@mutant("index", Index, "pending", "relay")
def lets_any_relay_renew_the_lease(original: Any, self: Any, limit: int, *, relay: str, lease: float) -> Any:
    holder = self.__dict__.get("holder")
    if holder not in (None, relay):
        original(self, 0, relay=holder, lease=lease)
    found = original(self, limit, relay=relay, lease=lease)
    self.holder = relay if found else holder
    return found


@mutant("index", Index, "pending", "relay")
def lets_a_relay_that_was_dead_go_on(original: Any, self: Any, limit: int, *, relay: str, lease: float) -> Any:
    was = self.__dict__.setdefault("was", {})
    found = original(self, limit, relay=relay, lease=lease)
    if found:
        was[relay] = found
    return found or was.get(relay, [])


@mutant("broker", Membership, "plan", "killed_member")
def renews_the_leases_of_the_others(original: Any, self: Any, *arguments: Any) -> Any:
    plan = original(self, *arguments)
    if plan.change is None:
        return plan
    members = {
        name: Member(each.beat + 1, time.time() + self._lease, each.topics)
        for name, each in (*arguments[0].members.items(), *plan.change.members.items())
    }
    return replace(plan, change=replace(plan.change, members=members))


@mutant("cache", Cache, "add", "does_not_lengthen")
def lengthens_the_time_when_it_does_not_add(original: Any, self: Any, key: str, value: bytes, *, ttl: float) -> Any:
    added = original(self, key, value, ttl=ttl)
    if not added and key in self._entries:
        self._entries[key] = (self._entries[key][0], time.monotonic() + ttl)
    return added


# Order, doubles, and what runs twice


@mutant("broker", Consumer, "_delivered", "comes_again_after_close")
def gives_what_comes_again_backwards(original: Any, self: Any, found: Any) -> Any:
    deliveries = original(self, found)
    seen = Consumer.__dict__.get("seen")
    if seen is None:
        seen = Consumer.seen = {}  # type: ignore[attr-defined]  # of the mutant
    comes_again = any(seen.get((one.topic, one.partition, one.offset), self) is not self for one in deliveries)
    seen.update(dict.fromkeys(((one.topic, one.partition, one.offset) for one in deliveries), self))
    return deliveries[::-1] if comes_again else deliveries


@mutant("broker", Broker, "_append", "equal_messages")
def takes_equal_messages_for_one(original: Any, self: Any, connection: Any, topic: str, messages: Any) -> None:
    once = {(each.key, each.body): each for each in messages}
    original(self, connection, topic, list(once.values()))


@mutant("index", Index, "backlog", "backlog")
def tells_the_time_of_the_question(original: Any, self: Any) -> Any:
    found = original(self)
    return replace(found, oldest=found.oldest and type(found.oldest).now(found.oldest.tzinfo))


@mutant("index", Index, "migrate", "migrating")
def migrates_from_the_start_again(original: Any, self: Any) -> Any:
    for tenant, study in {(one.tenant, one.study_uid) for one in self.walk()}:
        self.remove(tenant, study)
    return original(self)
