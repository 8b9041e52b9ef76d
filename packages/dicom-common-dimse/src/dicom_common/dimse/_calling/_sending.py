"""Sending instances to a peer by C-STORE: as they are stored, each until the peer has it or says that it will not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dicom_common.core import BackendError, DamagedError, DicomError, NotFoundError, Storage, Stored, UnavailableError
from dicom_common.dicom import data_set_offset
from dicom_common.dimse._calling._association import NoContextError, associated
from dicom_common.dimse._calling._contexts import batches, contexts_of
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._calling._querying import LOW
from dicom_common.dimse._receiving import Operation, Tag, Value
from dicom_common.dimse._requesting import Outgoing, Proposal
from dicom_common.dimse._status_ranges import StatusCategory, category_of
from dicom_common.pipeline import read_ahead
from dicom_common.toolkit import Backoff

__all__ = ["SendReason", "SendStatus", "Sent", "send"]

_BATCH: Final = 1000
"""Instances over one association: those of a large study share a few."""
_OUT_OF_RESOURCES: Final = range(0xA700, 0xA800)
_BEGINNING: Final = 64 << 10
"""Bytes in which the File Meta Information ends."""
_MOST_BREAKS: Final = 3
"""Associations that may break off at one instance, before the others go on without it."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0


class SendStatus(StrEnum):
    """The result of sending an instance."""

    SENT = "sent"
    """The peer responded with success."""
    WARNING = "warning"
    """The peer stored the instance and responded with a warning: `code`."""
    FAILED = "failed"


class SendReason(StrEnum):
    """Why an instance was not sent: stable codes, which programs may compare."""

    NOT_ACCEPTED = "not-accepted"
    """The peer accepts no presentation context with its SOP class and its transfer syntax."""
    REFUSED = "refused"
    """The peer responded with a failure: `code`."""
    OUT_OF_RESOURCES = "out-of-resources"
    """The peer responded A7xx to every attempt."""
    BROKEN_OFF = "broken-off"
    """The association broke each time that this instance was sent."""
    MISSING = "missing"
    """The storage does not have its object."""
    DAMAGED = "damaged"
    """The bytes in the storage differ from those that were indexed, or are not a DICOM file."""
    STORAGE = "storage"
    """The storage failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The result of sending one instance."""

    stored: Stored
    status: SendStatus
    code: int | None = None
    """Status (0000,0900) of the C-STORE response; None without a response."""
    reason: SendReason | None = None
    """Why the instance failed; None if it did not fail."""
    retry: bool = False
    """Whether sending the instance again later may succeed."""


def send(
    destination: Destination, storage: Storage, instances: Iterable[Stored], *, attempts: int = 5
) -> Generator[Sent, None, None]:
    """Send instances to a peer, as they are stored, and tell what became of each.

    Each SOP class in each transfer syntax has a presentation context of its own; where 128 are not enough, there are
    several associations. An association that breaks off is asked for again, with longer and longer waits, and so is an
    instance for which the peer is out of resources (A7xx). Nothing is sent again once the peer has answered.

    Args:
        destination: whom to send to.
        storage: has the objects.
        instances: what to send; they are taken a thousand at a time.
        attempts: how often in a row without any success something is tried.

    Yields:
        Each instance once, those of a batch in the order in which they are answered.

    Raises:
        UnavailableError: the peer could not be reached, at none of the attempts. What was not told of was not sent.
        RefusedError: the peer rejects the association.
    """
    for batch in batches(instances, _BATCH):
        yield from _Batch(destination, storage, batch, attempts).send()


class _Batch:
    """Instances that one association has enough contexts for."""

    def __init__(self, destination: Destination, storage: Storage, instances: list[Stored], attempts: int) -> None:
        self._destination, self._storage = destination, storage
        self._waiting = {one.sop_uid: one for one in instances}
        self._breaks: Counter[str] = Counter()
        self._under_way: Stored | None = None
        self._attempts = attempts
        self._backoff = Backoff(attempts=attempts, first=_FIRST_WAIT, longest=_LONGEST_WAIT)

    def send(self) -> Generator[Sent, None, None]:
        while self._waiting:
            try:
                with associated(self._destination, contexts_of(self._waiting.values())) as association:
                    for sent in self._over(association):
                        del self._waiting[sent.stored.sop_uid]
                        self._backoff.restart()
                        yield sent
            except NoContextError:
                yield from self._all_failed(SendReason.NOT_ACCEPTED)
            except _SourceError as error:
                yield self._without_source(error)
            except UnavailableError:
                broken = self._broken_at()
                if broken is not None:
                    yield broken
                elif not self._backoff.wait():
                    raise
            else:
                if self._waiting and not self._backoff.wait():
                    yield from self._all_failed(SendReason.OUT_OF_RESOURCES, retry=True)

    def _over(self, association: Outgoing) -> Generator[Sent, None, None]:
        """Send what waits; what is not told of is to be tried again."""
        contexts = {
            uid: association.accepted.get(Proposal(one.sop_class_uid, (one.transfer_syntax_uid,)))
            for uid, one in self._waiting.items()
        }
        for uid in [uid for uid, context in contexts.items() if context is None]:
            yield _failed(self._waiting[uid], SendReason.NOT_ACCEPTED)
        ahead = read_ahead(self._storage, list(self._waiting.values()))
        try:
            for stored, chunks in ahead:
                context = contexts[stored.sop_uid]
                if context is None:
                    raise AssertionError("what has no context was told of")
                self._under_way = stored
                try:
                    code = _store(association, context, stored, _source(chunks))
                except DicomError as error:
                    raise _SourceError(SendReason.DAMAGED) from error
                self._under_way = None
                if code not in _OUT_OF_RESOURCES:
                    yield _answered(stored, code)
        finally:
            ahead.close()

    def _broken_at(self) -> Sent | None:
        """Return the instance at which the association broke off, if it has done so too often."""
        stored, self._under_way = self._under_way, None
        if stored is None:
            return None
        self._breaks[stored.sop_uid] += 1
        if self._breaks[stored.sop_uid] < min(_MOST_BREAKS, self._attempts):
            return None
        del self._waiting[stored.sop_uid]
        return _failed(stored, SendReason.BROKEN_OFF, retry=True)

    def _without_source(self, error: _SourceError) -> Sent:
        stored, self._under_way = self._under_way, None
        if stored is None:
            raise AssertionError("an object is read while it is sent") from error
        del self._waiting[stored.sop_uid]
        return _failed(stored, error.reason, retry=error.reason is SendReason.STORAGE)

    def _all_failed(self, reason: SendReason, *, retry: bool = False) -> Generator[Sent, None, None]:
        for uid in list(self._waiting):
            yield _failed(self._waiting.pop(uid), reason, retry=retry)


def _store(association: Outgoing, context_id: int, stored: Stored, chunks: Iterator[bytes]) -> int:
    """Send an instance, and return the status of the response; what raises leaves half a message.

    Raises:
        UnavailableError: the association is lost.
        DicomError: the object is no DICOM.
    """
    values: dict[Tag, Value] = {
        Tag.AFFECTED_SOP_CLASS: stored.sop_class_uid,
        Tag.AFFECTED_SOP_INSTANCE: stored.sop_uid,
        Tag.PRIORITY: LOW,
    }
    status = association.request(context_id, Operation.C_STORE, values, _data_set(chunks)).number(Tag.STATUS)
    if status is None:
        raise UnavailableError("The peer's response to a C-STORE request has no status.")
    return status


def _data_set(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Iterate over an object from its data set on."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _BEGINNING:
            break
    start = data_set_offset(head)
    yield head[start:] if start else head
    yield from chunks


class _SourceError(Exception):
    """What is to be sent cannot be read."""

    def __init__(self, reason: SendReason) -> None:
        super().__init__(reason)
        self.reason = reason


def _source(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Tell apart what a storage raises from what a peer does."""
    try:
        yield from chunks
    except NotFoundError as error:
        raise _SourceError(SendReason.MISSING) from error
    except DamagedError as error:
        raise _SourceError(SendReason.DAMAGED) from error
    except BackendError as error:
        raise _SourceError(SendReason.STORAGE) from error


def _answered(stored: Stored, code: int) -> Sent:
    category = category_of(code)
    if category is StatusCategory.SUCCESS:
        return Sent(stored=stored, status=SendStatus.SENT, code=code)
    if category is StatusCategory.WARNING:
        return Sent(stored=stored, status=SendStatus.WARNING, code=code)
    return Sent(stored=stored, status=SendStatus.FAILED, code=code, reason=SendReason.REFUSED)


def _failed(stored: Stored, reason: SendReason, *, retry: bool = False) -> Sent:
    return Sent(stored=stored, status=SendStatus.FAILED, reason=reason, retry=retry)
