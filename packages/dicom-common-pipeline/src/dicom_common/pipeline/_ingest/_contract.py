"""The ingest contract, from top to bottom.

An instance that was acknowledged is never lost, is indexed exactly once, and its events are published at least once,
whichever process dies when:

1. read the header, find the identity: `prepare` makes a candidate, and an `Item` carries it through the other steps;
2. `compare` it with the index: the same bytes are a success without a write, other bytes follow the duplicate policy;
3. `write` the bytes, exactly as received, durably, to a key at which nothing is;
4. `index` them in one transaction, with their DICOM JSON and their events;
5. `settle`: answer by what the index decided. That is the acknowledgement.

In direct mode the process that received the instance does all of them. In queued mode the receiver does step 3 and
publishes a message, and a worker does the other steps with `index_received`, after which it acknowledges the message.

A sender's own thread `decide`s: it does steps 1 and 2, so that a refusal waits for no other sender. Step 2 waits its
turn where another instance with the same SOP Instance UID is on its way, because under the policy `replace` what came
last is to stay. Then what several senders have goes through steps 3 and 4 in groups (see `Groups`).

A crash between 3 and 4 leaves an object without a row: the next try finds it in its way, sees that it is the same and
takes it; or a reconciliation does. Step 2 only saves work: the transaction of step 4 decides who wins when several
senders race. The loser's object is discarded through the index, never deleted directly.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter

from dicom_common.core import (
    AddStatus,
    BackendError,
    DamagedError,
    Finding,
    NotFoundError,
    Outcome,
    Stored,
)
from dicom_common.pipeline._discarded import delete_objects
from dicom_common.pipeline._distinct import distinct_groups
from dicom_common.pipeline._events._messages import IngestEvents
from dicom_common.pipeline._ingest._candidate import same_data_set
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._publish import broker_failure, publish
from dicom_common.pipeline._ingest._reasons import MAY_SUCCEED_LATER, BackendKind, IngestReason, IngestRule
from dicom_common.pipeline._ingest._results import Status
from dicom_common.pipeline._read import has_indexed_bytes
from dicom_common.pipeline._settings import IngestSettings

__all__ = ["Way", "conclude", "index_received", "way"]

_log = logging.getLogger(__name__)

_MAX_ROUNDS = 5
"""A key is retired only while another process deletes its object; twice in a row does not happen by itself."""

_OTHER_PATIENT = Finding(
    "00100020", IngestRule.OTHER_PATIENT.value, "the study stays with the patient it came with first"
)
_OTHER_STUDY = Finding("0020000E", IngestRule.OTHER_STUDY.value, "the series is indexed in both studies")


# The ways through the contract. Each step answers items by their `result`; those without one go on to the next.


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a receiver does with items."""

    decide: Callable[[Context, Sequence[Item], Collection[tuple[str, str]]], list[Item]]
    """In the thread of their sender: answer what is not to be written. It is given the identities of what is ahead."""
    write: Callable[[Context, Sequence[Item]], list[Item]]
    """Make a group durable. The items of a group are of distinct instances."""
    index: Callable[[Context, Sequence[Item]], None]
    """Index a group that is durable, or ask workers to, and answer it."""


def way(settings: IngestSettings) -> Way:
    """Return the way of a receiver."""
    return _QUEUED if settings.mode == "queued" else _DIRECT


def index_received(context: Context, items: Sequence[Item]) -> None:
    """The worker's way: index what a receiver stored. The receiver asked the extensions that may refuse.

    The items are of distinct instances; each has a result afterwards.
    """
    _index_and_settle(context, write(context, compare(context, items)))
    conclude(context, items)


def conclude(context: Context, items: Sequence[Item]) -> None:
    """Tell extensions of what is stored, once it is answered."""
    stored = [item.stored() for item in items if item.result and item.result.status in (Status.STORED, Status.REPLACED)]
    if stored:
        context.services.extensions.stored(stored)


def _compare_and_accept(context: Context, items: Sequence[Item], identities: Collection[tuple[str, str]]) -> list[Item]:
    """Answer what need not be written, but for items that another one with the same SOP Instance UID is ahead of.

    What the index has now is not what it will have when their turn comes: they are compared then.
    """
    ahead, waiting = set(identities), list[Item]()
    for group in distinct_groups(items, attrgetter("identity")):
        compare(context, [item for item in group if item.identity not in ahead])
        going_on = accept(context, [item for item in group if item.result is None])
        ahead.update(item.identity for item in going_on)
        waiting += going_on
    return waiting


def _accept(context: Context, items: Sequence[Item], _: Collection[tuple[str, str]]) -> list[Item]:
    return accept(context, items)


def _compare_and_write(context: Context, items: Sequence[Item]) -> list[Item]:
    late = [item for item in items if not item.is_compared]
    if late:
        compare(context, late)
    going_on = [item for item in items if item.result is None]
    return write(context, going_on) if going_on else []


def _write_unless_broker_fails(context: Context, items: Sequence[Item]) -> list[Item]:
    failure = broker_failure(context)
    if failure is None:
        return write(context, items)
    for item in items:
        item.reject_failed(BackendKind.BROKER, failure)
    return []


# Step 2


def compare(context: Context, items: Sequence[Item]) -> list[Item]:
    """Answer what the index has already, and return the items that are to be written and indexed."""
    by_tenant: defaultdict[str, list[str]] = defaultdict(list)
    for item in items:
        by_tenant[item.tenant].append(item.candidate.instance.sop_uid)
    known: dict[tuple[str, str], Stored] = {}
    try:
        for tenant, sop_uids in by_tenant.items():
            found = context.index.stored(tenant, sop_uids)
            known |= {(tenant, sop_uid): stored for sop_uid, stored in found.items()}
    except BackendError as error:
        for item in items:
            item.reject_failed(BackendKind.INDEX, error)
        return []
    for item in items:
        item.is_compared = True
        if (stored := known.get(item.identity)) is not None:
            try:
                _compare_with(context, item, stored)
            except BackendError as error:
                item.reject_failed(BackendKind.STORAGE, error)
    return _going_on(context, items)


def _compare_with(context: Context, item: Item, stored: Stored) -> None:
    """Answer an item whose SOP Instance UID is indexed, or prepare the write that follows."""
    instance = item.candidate.instance
    if (stored.study_uid, stored.series_uid) != (instance.study_uid, instance.series_uid):
        _reject_misplaced(item)
        return
    is_there = has_indexed_bytes(context.services.storage, stored)
    if stored.sha256 == instance.sha256:
        # An acknowledgement means that the bytes are there: look, before giving one for what came long ago.
        if is_there:
            item.acknowledge(Status.DUPLICATE, stored.key, IngestReason.SAME_BYTES)
        else:
            item.key, item.restores = stored.key, True
        return
    if is_there and (streamed := item.candidate.streamed) is not None and streamed.is_pending:
        # Its bytes can be compared once they are an object; as in queued mode, at a key of its own.
        item.key = context.unique_key(item)
        if not write(context, [item]):
            return
    try:
        is_same = is_there and same_data_set(item.candidate, context.services.storage, stored)
    except NotFoundError:  # replaced or removed while it was compared: the index decides
        _move_aside(context, item)
        return
    if is_same:
        item.acknowledge(Status.DUPLICATE, stored.key, IngestReason.SAME_DATA_SET)
    elif context.settings.duplicates == "replace":
        _move_aside(context, item)
    elif is_there:
        _answer_differing(context, item, stored.key)
    else:  # to keep what is lost would not be an acknowledgement
        item.reject(
            IngestReason.INDEXED_OBJECT_MISSING,
            "The object that is indexed under its SOP Instance UID is missing or damaged: restore or remove that.",
        )


def _move_aside(context: Context, item: Item) -> None:
    """Have bytes that are to take the place of others written beside them; those of a receiver have their own key."""
    if item.object_key is None:
        item.key = context.unique_key(item)


def accept(context: Context, items: Sequence[Item]) -> list[Item]:
    """Ask the extensions that may refuse an instance before it is written; return the items that go on."""
    for item in items:
        candidate = item.candidate
        reason = context.services.extensions.accept(item.tenant, candidate.instance, candidate.received.origin)
        if reason is not None:
            item.reject(IngestReason.REFUSED, f"It was refused: {reason}.")
    return _going_on(context, items)


def _going_on(context: Context, items: Sequence[Item]) -> list[Item]:
    """Return the items that are not answered; discard what came as a stream and was only written to be compared."""
    spare = [item.object_key for item in items if item.result and item.candidate.streamed and item.object_key]
    if spare:
        try:
            context.index.discard(spare)
            delete_objects(context.services.storage, context.index)
        except BackendError as error:
            _log.warning("Objects that were written to be compared are left to a reconciliation: %s", error)
    return [item for item in items if item.result is None]


# Step 3


def write(context: Context, items: Sequence[Item]) -> list[Item]:
    """Write the bytes that are not at their key yet; return the items whose bytes are durable there.

    Where the storage does not answer item by item, halve a group until the one to blame is found.
    """
    try:
        errors = context.writer.write([item for item in items if item.object_key != item.key], context.unique_key)
    except Exception as failure:  # noqa: BLE001 - whatever one item does to the storage, the others go on
        if len(items) > 1:
            middle = len(items) // 2
            return write(context, items[:middle]) + write(context, items[middle:])
        errors = {items[0]: BackendError(f"The storage failed with {type(failure).__name__}.")}
    for item in items:
        error = errors.get(item)
        if error is None:
            item.object_key = item.key
        elif isinstance(error, DamagedError):
            item.reject_changed()
        else:
            item.reject_failed(BackendKind.STORAGE, error)
    return [item for item in items if item not in errors]


# Step 4


def index(context: Context, items: Sequence[Item]) -> list[tuple[Item, Outcome]]:
    """Add to the index in one transaction. Where it refuses a batch, halve that until the item to blame is found."""
    if not items:
        return []
    database, entries = context.index, [item.entry(context.settings) for item in items]
    events = IngestEvents(
        entries=entries,
        traces=[context.trace(item) for item in items],
        topics=context.topics,
        log=context.keeps_log,
    )
    try:
        outcomes = database.add(entries, events=events)
    except MAY_SUCCEED_LATER as error:
        for item in items:
            item.reject_failed(BackendKind.INDEX, error)
        return []
    except Exception as error:  # noqa: BLE001 - whatever one entry does to the index, the others go on
        if len(items) > 1:
            middle = len(items) // 2
            return index(context, items[:middle]) + index(context, items[middle:])
        kind = type(error).__name__  # its message may quote the entry
        known = error if isinstance(error, BackendError) else BackendError(f"The index failed with {kind}.")
        items[0].reject_failed(BackendKind.INDEX, known)
        return []
    return list(zip(items, outcomes, strict=True))


def _index_and_settle(context: Context, items: Sequence[Item]) -> None:
    """Do steps 4 and 5; what had a key that is about to be deleted is written to another one, and indexed again."""
    written, discards, left = list(items), False, list[str]()
    for _ in range(_MAX_ROUNDS):
        retired = []
        for item, outcome in index(context, written):
            discards |= outcome.status not in (AddStatus.ADDED, AddStatus.SAME) or outcome.key != item.key
            if outcome.status is AddStatus.RETIRED:
                left += [item.key] if item.may_discard else []
                item.key, item.restores = context.unique_key(item), False
                retired.append(item)
            else:
                settle(context, item, outcome)
        if not retired:
            break
        written = write(context, retired)
    else:
        for item in written:
            message = "Other processes are deleting objects at its storage key: send it again."
            item.reject(IngestReason.STORAGE_BUSY, message, retry=True)
    if discards:  # before the next instance with the same key is written
        try:
            delete_objects(context.services.storage, context.index, retired=left)
        except BackendError as error:
            _log.warning("Discarded objects are deleted later: %s", error)


# Step 5


def settle(context: Context, item: Item, outcome: Outcome) -> None:
    """Answer by what the index decided."""
    match outcome.status:
        case AddStatus.ADDED | AddStatus.REPLACED:
            warnings = (
                *([_OTHER_PATIENT] if outcome.patient_differs else ()),
                *([_OTHER_STUDY] if outcome.series_in_other_study else ()),
            )
            is_new = outcome.status is AddStatus.ADDED
            item.acknowledge(Status.STORED if is_new else Status.REPLACED, item.key, warnings=warnings)
        case AddStatus.SAME:
            reason = IngestReason.RESTORED if item.restores else IngestReason.SAME_BYTES
            item.acknowledge(Status.DUPLICATE, outcome.key, reason)
        case AddStatus.CONFLICT:
            _settle_conflict(context, item, outcome.key)
        case AddStatus.OTHER_PATIENT:
            item.reject(IngestReason.OTHER_PATIENT, "Its study is indexed under another patient.")
        case _:
            _reject_misplaced(item)


def _settle_conflict(context: Context, item: Item, key: str) -> None:
    """Answer an item that lost a race: the winner may be the same data set behind another File Meta Information."""
    sop_uid = item.candidate.instance.sop_uid
    try:
        winner = context.index.stored(item.tenant, [sop_uid]).get(sop_uid)
        is_same = winner is not None and same_data_set(item.candidate, context.services.storage, winner)
    except NotFoundError:  # the winner is gone again
        is_same = False
    except BackendError as error:
        item.reject_failed(BackendKind.STORAGE, error)
        return
    if is_same:
        item.acknowledge(Status.DUPLICATE, key, IngestReason.SAME_DATA_SET)
    else:
        _answer_differing(context, item, key)


def _answer_differing(context: Context, item: Item, key: str) -> None:
    """Other bytes are durable and indexed at `key`: the duplicate policy answers."""
    if context.settings.duplicates == "keep":
        item.acknowledge(Status.DUPLICATE, key, IngestReason.KEPT_FIRST)
    else:
        item.reject(IngestReason.DUPLICATE_DIFFERS, "Other bytes are stored under its SOP Instance UID.")


def _reject_misplaced(item: Item) -> None:
    """Refuse what has a UID that is taken elsewhere (PS3.5 9: UIDs are globally unique)."""
    item.reject(IngestReason.UID_IN_OTHER_SERIES, "Its SOP Instance UID is indexed in another study or series.")


_DIRECT = Way(decide=_compare_and_accept, write=_compare_and_write, index=_index_and_settle)
# The index is not asked, so it is not known here which keys are discarded, and an object that is written where another
# is about to be deleted would go with it. So every item has a key of its own: the same bytes that come twice are two
# objects until the worker discards one of them.
_QUEUED = Way(decide=_accept, write=_write_unless_broker_fails, index=publish)
