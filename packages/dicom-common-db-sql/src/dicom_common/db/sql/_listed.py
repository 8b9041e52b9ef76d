"""Instances one after another, as `Database` and `KeptFrames` ask for them: transactions around `Listing`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from dicom_common.core import Level, Match, Stored
from dicom_common.db.sql._listing import Listing
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import chunks
from dicom_common.db.sql._transactions import Transactions

__all__ = ["ListingTransactions"]

T = TypeVar("T")
_PAGE = 500
"""Instances that a listing reads at a time; no session is held between two pages."""
_JSON_PAGE = 64
"""The same for metadata, which is larger."""


class ListingTransactions(Transactions):
    """A base of `SqlDatabase`."""

    _listing: Listing

    @abstractmethod
    def _tenant(self, session: Session, name: str) -> int | None:
        """Return the surrogate key of a tenant; None where nothing was ever added for it."""

    def stored(self, tenant: str, sop_uids: Iterable[str]) -> dict[str, Stored]:
        """See `Database.stored`."""
        wanted = list(sop_uids)

        def work(session: Session) -> dict[str, Stored]:
            pk = self._tenant(session, tenant)
            return {} if pk is None else self._listing.stored(session, pk, wanted)

        return self._read(work)

    def instances(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[Stored]:
        """See `Database.instances`."""
        return self._pages(self._listing.some, _PAGE, tenant, (study_uid, series_uid, sop_uid))

    def metadata(
        self, tenant: str, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[bytes]:
        """See `Database.metadata`."""
        return self._pages(self._listing.metadata, _JSON_PAGE, tenant, (study_uid, series_uid, sop_uid))

    def metadata_of(self, tenant: str, level: Level, matches: Sequence[Match]) -> list[bytes | None]:
        """See `Database.metadata_of`."""

        def work(session: Session) -> list[bytes | None]:
            pk = self._tenant(session, tenant)
            return [None] * len(matches) if pk is None else self._listing.metadata_of(session, pk, level, matches)

        return self._read(work)

    def owners(self, keys: Iterable[str]) -> dict[str, Stored]:
        """See `Database.owners`."""
        wanted = list(keys)
        return self._read(lambda session: self._listing.owners(session, wanted))

    def walk(self, *, after: str = "") -> Iterator[Stored]:
        """See `Database.walk`."""
        return self._walked(after, self._listing.page)

    def frames(self, tenant: str, study_uid: str, series_uid: str, sop_uid: str) -> tuple[Stored, bytes] | None:
        """See `KeptFrames.frames`."""

        def work(session: Session) -> tuple[Stored, bytes] | None:
            pk = self._tenant(session, tenant)
            return None if pk is None else self._listing.frames(session, pk, study_uid, series_uid, sop_uid)

        return self._read(work)

    def without_frames(self, *, after: str = "") -> Iterator[Stored]:
        """See `KeptFrames.without_frames`."""
        return self._walked(after, partial(self._listing.page, without_frames=True))

    def keep_frames(self, frames: Sequence[tuple[Stored, bytes]]) -> int:
        """See `KeptFrames.keep_frames`."""
        return self._write(partial(self._alone, partial(self._listing.keep_frames, frames=frames))) if frames else 0

    def _walked(self, after: str, page_of: Callable[..., list[tuple[int, Stored]]]) -> Iterator[Stored]:
        key, pk = after, 2**63 - 1
        while True:
            page = self._read(partial(page_of, key=key, pk=pk, limit=_PAGE))
            yield from (stored for _, stored in page)
            if len(page) < _PAGE:
                return
            pk, last = page[-1]
            key = last.key

    def _pages(
        self,
        read: Callable[..., list[T]],
        size: int,
        tenant: str,
        place: tuple[str, str | None, str | None],
    ) -> Iterator[T]:
        def work(session: Session) -> list[int]:
            pk = self._tenant(session, tenant)
            return [] if pk is None else self._listing.at(session, (pk, *place))

        for chunk in chunks(self._read(work), size):
            yield from self._read(partial(read, pks=chunk))
