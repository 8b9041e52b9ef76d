"""Commitments as they are remembered: small objects of the storage, beside the instances of their tenant.

The storage is what every installation has, and what is durable and shared by all processes; a table of the index would
be a new duty for every database. An object is `<tenant>/commitments/<digest>.json`. Whoever works on it says so by an
object that only one can write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import msgspec

from dicom_common.core import AlreadyExistsError, NotFoundError, Storage
from dicom_common.dimse._commitment._request import Reference

__all__ = ["Commitment", "Commitments"]

_FOLDER = "commitments"
_SUFFIX, _CLAIM = ".json", ".claim"


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
    reported: bool = False
    """Whether the report has arrived: then the Transaction UID alone is still remembered."""

    @property
    def key(self) -> str:
        """Where it lies. A Transaction UID is its sender's."""
        digest = hashlib.sha256(f"{self.peer}\0{self.calling}\0{self.transaction_uid}".encode()).hexdigest()
        return f"{self.tenant}/{_FOLDER}/{digest}{_SUFFIX}"


class Commitments:
    """The commitments that are remembered.

    Args:
        storage: where.
        lease: for how long whoever works on one has it alone.
    """

    def __init__(self, storage: Storage, lease: timedelta) -> None:
        self._storage, self._lease = storage, lease
        self._held: set[str] = set()

    def add(self, commitment: Commitment) -> bool:
        """Remember a commitment, durably; False where one of this Transaction UID is remembered already."""
        try:
            self._storage.write(commitment.key, msgspec.json.encode(commitment), if_absent=True)
        except AlreadyExistsError:
            return False
        return True

    def all_of(self, tenant: str) -> Iterator[Commitment]:
        """Iterate over what is remembered of a tenant."""
        for info in self._storage.scan(f"{tenant}/{_FOLDER}/"):
            if info.key.endswith(_SUFFIX):
                with suppress(NotFoundError):
                    data = b"".join(self._storage.read(info.key))
                    yield msgspec.json.decode(data, type=Commitment)

    def claim(self, commitment: Commitment) -> bool:
        """Take a commitment for its next try; False where another process has it."""
        key = _claim(commitment)
        try:
            self._storage.write(key, b"", if_absent=True)
        except AlreadyExistsError:
            with suppress(NotFoundError):
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
        self._update(commitment, replace(commitment, references=(), reported=True))

    def forget(self, commitment: Commitment) -> None:
        """Remember it no longer."""
        self._storage.delete(commitment.key)
        self._give_back(_claim(commitment))

    def _update(self, before: Commitment, after: Commitment) -> None:
        self._storage.write(after.key, msgspec.json.encode(after))
        self._give_back(_claim(before))

    def _give_back(self, key: str) -> None:
        self._held.discard(key)
        self._storage.delete(key)


def _claim(commitment: Commitment) -> str:
    return f"{commitment.key.removesuffix(_SUFFIX)}.{commitment.tries}{_CLAIM}"
