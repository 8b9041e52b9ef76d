"""Fetching a study from a peer into this library: C-FIND tells what there is, C-GET or C-MOVE brings what is absent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, Literal

from dicom_common.core import BackendError, Level, NotFoundError, RefusedError, UnavailableError
from dicom_common.dimse._calling._contexts import in_pieces
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._calling._identifiers import Match
from dicom_common.dimse._calling._querying import find
from dicom_common.dimse._calling._retrieving import Wanted, get, move
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Result, Status
from dicom_common.toolkit import Backoff

__all__ = ["FetchStatus", "Fetched", "fetch"]

_log = logging.getLogger(__name__)
_ASKED_AT_ONCE: Final = 200
"""SOP Instance UIDs in an identifier: a value has up to 65,534 bytes in explicit VR."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0


class FetchStatus(StrEnum):
    """The result of fetching an instance."""

    PRESENT = "present"
    """The instance was already here and was not requested."""
    FETCHED = "fetched"
    """The instance is durable here and, except in queued mode, indexed."""
    REJECTED = "rejected"
    """The instance arrived, but the ingest rejected it: see `result`."""
    FAILED = "failed"
    """The instance did not arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The result of fetching one instance that the peer has."""

    study_uid: str
    series_uid: str
    sop_uid: str
    status: FetchStatus
    result: Result | None = None
    """The result of the ingest; None if the instance did not arrive, or was retrieved by C-MOVE."""


def fetch(  # noqa: PLR0913 - from whom, to where, what, and how
    destination: Destination,
    services: Services,
    ingest: Ingest,
    study_uid: str,
    series_uid: str | None = None,
    *,
    tenant: str,
    by: Literal["get", "move"] = "get",
    attempts: int = 5,
) -> Generator[Fetched, None, None]:
    """Fetch a study, or one of its series, and tell what became of each instance.

    The peer is asked what it has (C-FIND), and for what is not indexed here: for a whole series where nothing of it is
    here, else by SOP Instance UID. What comes by C-GET goes into the ingest as it comes.

    Args:
        destination: whom to ask.
        services: the index, and for C-MOVE nothing else.
        ingest: takes what comes by C-GET.
        study_uid: its Study Instance UID.
        series_uid: the Series Instance UID; None: all of the study.
        tenant: whose the instances will be.
        by: `get`: by C-GET, over the same association. `move`: by C-MOVE to our own AE title, which a running
            `dicom-common scp` receives.
        attempts: how often in a row without any success something is tried.

    Raises:
        NotFoundError: the peer has no such study or series.
        UnavailableError: it could not be reached, or broke off, at each of the attempts.
        RefusedError: it rejects the association, or does not offer the service.
        BackendError: it answers a question with a failure; or the index or the storage here failed. Of a series that it
            fails to send, what did not come is told as failed.
    """
    named = {"StudyInstanceUID": study_uid, **({} if series_uid is None else {"SeriesInstanceUID": series_uid})}
    matches = _asked(destination, Level.SERIES, named, ("SeriesInstanceUID",), attempts)
    series = sorted({_first(one, "SeriesInstanceUID") for one in matches} - {""})
    if not series:
        what = study_uid if series_uid is None else f"{study_uid} {series_uid}"
        raise NotFoundError(
            f"The peer {destination} has no instance of {what}: `dicom-common query` lists its studies."
        )
    for uid in series:
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": uid}
        answers = _asked(destination, Level.INSTANCE, keys, ("SOPInstanceUID", "SOPClassUID"), attempts)
        classes = {_first(one, "SOPInstanceUID"): _first(one, "SOPClassUID") for one in answers}
        classes.pop("", None)
        here = services.db.stored(tenant, classes)
        for sop_uid in here:
            yield Fetched(study_uid=study_uid, series_uid=uid, sop_uid=sop_uid, status=FetchStatus.PRESENT)
        for piece in in_pieces((one for one in classes if one not in here), _ASKED_AT_ONCE if here else len(classes)):
            wanted = Wanted(
                study_uid=study_uid,
                series_uid=uid,
                classes={sop_uid: classes[sop_uid] for sop_uid in piece},
                is_whole_series=not here,
            )
            bring = partial(_by_get, ingest=ingest) if by == "get" else partial(_by_move, services=services)
            yield from _brought(destination, wanted, bring, tenant=tenant, attempts=attempts)


_Brought = tuple[str, FetchStatus, Result | None]
_Bring = Callable[..., Iterable[_Brought]]


def _brought(
    destination: Destination, wanted: Wanted, bring: _Bring, *, tenant: str, attempts: int
) -> Generator[Fetched, None, None]:
    """Ask for instances until each has come, was rejected, or is not sent by the peer."""
    backoff = Backoff(attempts=attempts, first=_FIRST_WAIT, longest=_LONGEST_WAIT)
    told: set[str] = set()

    def about(sop_uid: str, status: FetchStatus, result: Result | None = None) -> Fetched:
        told.add(sop_uid)
        return Fetched(
            study_uid=wanted.study_uid, series_uid=wanted.series_uid, sop_uid=sop_uid, status=status, result=result
        )

    while True:
        try:
            for sop_uid, status, result in _sent(bring(destination, wanted.without(told), tenant=tenant)):
                if sop_uid in wanted.classes and sop_uid not in told:
                    backoff.restart()
                    yield about(sop_uid, status, result)
        except UnavailableError:
            if told.issuperset(wanted.classes):
                return
            if not backoff.wait():
                raise
        else:
            break
    for sop_uid in wanted.without(told).classes:
        yield about(sop_uid, FetchStatus.FAILED)


def _sent(brought: Iterable[_Brought]) -> Iterator[_Brought]:
    """Give what comes, until the peer fails: an instance that it cannot send must not hold back the other series."""
    try:
        yield from brought
    except (UnavailableError, RefusedError):
        raise
    except BackendError as error:
        _log.warning("%s", error)


def _by_get(destination: Destination, wanted: Wanted, *, tenant: str, ingest: Ingest) -> Iterator[_Brought]:
    def take(received: Received) -> Result:
        (result,) = ingest.store([received], tenant=tenant, study_uid=wanted.study_uid)
        return result

    for sop_uid, result in get(destination, wanted, take):
        yield sop_uid, FetchStatus.REJECTED if result.status is Status.REJECTED else FetchStatus.FETCHED, result


def _by_move(destination: Destination, wanted: Wanted, *, tenant: str, services: Services) -> Iterator[_Brought]:
    try:
        move(destination, wanted, destination.calling_ae_title)
    finally:
        # Whatever the peer says of it: what is indexed has come.
        here = services.db.stored(tenant, wanted.classes)
    for sop_uid in here:
        yield sop_uid, FetchStatus.FETCHED, None


def _asked(
    destination: Destination, level: Level, keys: Mapping[str, str], fields: Sequence[str], attempts: int
) -> list[Match]:
    """Ask what the peer has, until it has told all."""
    backoff = Backoff(attempts=attempts, first=_FIRST_WAIT, longest=_LONGEST_WAIT)
    while True:
        try:
            return list(find(destination, level, keys, fields))
        except UnavailableError:
            if not backoff.wait():
                raise


def _first(match: Match, keyword: str) -> str:
    return next(iter(match.get(keyword, ())), "")
