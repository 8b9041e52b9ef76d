"""Commitments as they are remembered: small objects of the storage, beside the instances of their tenant.

The storage is what every installation has, and what is durable and shared by all processes; a table of the index would
be a new duty for every database. Until its report has arrived, a commitment is an object below
`<tenant>/commitments/pending/<peer>/`; then an empty one below `<tenant>/commitments/reported/<peer>/` remembers its
Transaction UID. So the pending ones of a peer can be counted. Whoever works on one says so by an object that only one
can write.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import msgspec

from dicom_common.core import AlreadyExistsError, DamagedError, NotFoundError, Storage
from dicom_common.dimse._commitment._request import Reference

__all__ = ["Added", "Commitment", "Commitments"]

_log = logging.getLogger(__name__)
_PENDING, _REPORTED = "commitments/pending", "commitments/reported"
_SUFFIX, _CLAIM = ".json", ".claim"


class Added(Enum):
    """What became of a commitment that is to be remembered."""

    NEW = auto()
    """It is remembered, durably."""
    KNOWN = auto()
    """Its Transaction UID is remembered already."""
    TOO_MANY = auto()
    """Its peer has as many pending ones as it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """A commitment that was asked for."""

    tenant: str
    peer: str
    """The name of the peer in the configuration."""
    calling: str
    """The AE title that it called with."""
    called: str
    """The AE title of ours that it called."""
    transaction_uid: str
    references: tuple[Reference, ...]
    asked: datetime
    tries: int = 0
    """How many times the report was sent in vain."""
    due: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When it is sent next."""

    @property
    def folder(self) -> str:
        """Where the pending ones of its peer lie."""
        return f"{self.tenant}/{_PENDING}/{_digest(self.peer)}/"

    @property
    def key(self) -> str:
        """Where it lies while it is pending. A Transaction UID is its sender's."""
        return f"{self.folder}{_digest(self.calling, self.transaction_uid)}{_SUFFIX}"

    @property
    def reported_key(self) -> str:
        """Where its Transaction UID is remembered behind that."""
        return f"{self.tenant}/{_REPORTED}/{_digest(self.peer)}/{_digest(self.calling, self.transaction_uid)}"


class Commitments:
    """The commitments that are remembered.

    Args:
        storage: where.
        lease: for how long whoever works on one has it alone.
        most: how many pending ones a peer may have; processes that add at the same moment may exceed it by a few.
    """

    def __init__(self, storage: Storage, lease: timedelta, most: int) -> None:
        self._storage, self._lease, self._most = storage, lease, most
        self._held: set[str] = set()

    def add(self, commitment: Commitment) -> Added:
        """Remember a commitment, durably, unless it is known or its peer has too many."""
        pending = sum(info.key.endswith(_SUFFIX) for info in self._storage.scan(commitment.folder))
        if pending >= self._most:
            is_known = self._is_there(commitment.key) or self._is_there(commitment.reported_key)
            return Added.KNOWN if is_known else Added.TOO_MANY
        try:
            self._storage.write(commitment.key, msgspec.json.encode(commitment), if_absent=True)
        except AlreadyExistsError:
            return Added.KNOWN
        if self._is_there(commitment.reported_key):  # looked at last: `settle` writes it before the pending one goes
            self._storage.delete(commitment.key)
            return Added.KNOWN
        return Added.NEW

    def pending_of(self, tenant: str) -> Iterator[Commitment]:
        """Iterate over the pending commitments of a tenant. One that is damaged is passed over, and stays."""
        for info in self._storage.scan(f"{tenant}/{_PENDING}/"):
            if info.key.endswith(_SUFFIX):
                try:
                    data = b"".join(self._storage.read(info.key))
                    commitment = msgspec.json.decode(data, type=Commitment)
                except NotFoundError:
                    continue
                except (DamagedError, msgspec.MsgspecError, UnicodeDecodeError):
                    _log.error("a pending storage commitment cannot be read, and is not reported: %s", info.key)
                    continue
                yield commitment

    def claim(self, commitment: Commitment) -> bool:
        """Take a commitment for its next try; False where another process has it."""
        key = _claim(commitment)
        try:
            self._storage.write(key, b"", if_absent=True)
        except AlreadyExistsError:
            with suppress(NotFoundError, DamagedError):
                if self._storage.stat(key).modified < datetime.now(UTC) - self._lease:
                    self._storage.delete(key)  # its process is gone: whoever comes next has it
            return False
        self._held.add(key)
        return True

    def release(self) -> None:
        """Give back what this process has taken and not finished: others need not wait until its lease is over."""
        for key in list(self._held):
            self._give_back(key)

    def postpone(self, commitment: Commitment, due: datetime) -> None:
        """Remember that the report did not arrive, and when it is tried again."""
        self._update(commitment, replace(commitment, tries=commitment.tries + 1, due=due))

    def settle(self, commitment: Commitment) -> None:
        """Remember that the report has arrived."""
        self._storage.write(commitment.reported_key, b"")
        self.forget(commitment)

    def forget_reported(self, tenant: str, before: datetime) -> None:
        """Remember the Transaction UIDs no longer whose reports arrived before a time."""
        for info in self._storage.scan(f"{tenant}/{_REPORTED}/"):
            if info.modified < before:
                self._storage.delete(info.key)

    def forget(self, commitment: Commitment) -> None:
        """Remember a pending one no longer."""
        self._storage.delete(commitment.key)
        self._give_back(_claim(commitment))

    def _update(self, before: Commitment, after: Commitment) -> None:
        self._storage.write(after.key, msgspec.json.encode(after))
        self._give_back(_claim(before))

    def _is_there(self, key: str) -> bool:
        try:
            self._storage.stat(key)
        except NotFoundError:
            return False
        except DamagedError:
            pass  # it is there
        return True

    def _give_back(self, key: str) -> None:
        self._held.discard(key)
        self._storage.delete(key)


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def _claim(commitment: Commitment) -> str:
    return f"{commitment.key.removesuffix(_SUFFIX)}.{commitment.tries}{_CLAIM}"
