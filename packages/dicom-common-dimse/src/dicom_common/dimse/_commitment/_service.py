"""The N-ACTION of storage commitment: remembered before it is answered, and reported behind that (PS3.4 J.3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from dicom_common.core import BackendError
from dicom_common.dimse._commitment._records import Added, Commitment
from dicom_common.dimse._commitment._reporting import InHand, Reporting, report_values
from dicom_common.dimse._commitment._request import CLASS, INSTANCE, references_of, transaction_of
from dicom_common.dimse._identifiers import StatusError, encoding_of, identifier_of
from dicom_common.dimse._peers import Permission
from dicom_common.dimse._receiving import Errand, Operation, Request, Response, Service, Site, Tag

__all__ = ["commitment_service"]

_SUCCESS: Final = 0x0000
_PROCESSING_FAILURE: Final = 0x0110
_NO_SUCH_INSTANCE: Final = 0x0112
_NO_SUCH_CLASS: Final = 0x0118
_MISSING: Final = 0x0120
_NO_SUCH_ACTION: Final = 0x0123
_DUPLICATE: Final = 0x0131
_RESOURCE_LIMITATION: Final = 0x0213
_REQUEST: Final = 1
"""The Action Type ID of a request for commitment."""
_LONGEST_ITEM: Final = 200
"""Bytes of an item with two UIDs."""
_GRACE_SECONDS: Final = 0.1
"""For how long a peer may still end the association: a report then would cross with its release."""
_FIRST_TRY: Final = timedelta(minutes=2)
"""Behind it another process takes a commitment up whose own has died."""


class _Commitment:
    """Answers N-ACTION."""

    def __init__(self) -> None:
        self._reporting: Reporting | None = None

    def start(self, site: Site) -> None:
        """Take up what is remembered."""
        self._reporting = Reporting(site)

    def stop(self) -> None:
        """End the threads."""
        if self._reporting is not None:
            self._reporting.close()

    def action(self, request: Request) -> Iterator[Response]:
        """Answer one N-ACTION, and have the report sent on the same association if it is waited for there."""
        reporting = self._reporting
        assert reporting is not None
        try:
            commitment = _commitment_of(request)
            added = reporting.commitments.add(commitment)
        except StatusError as error:
            yield error.response()
            return
        except BackendError:
            yield StatusError(_PROCESSING_FAILURE, "The request cannot be recorded now: try again later.").response()
            return
        if added is Added.KNOWN:
            yield StatusError(_DUPLICATE, "The Transaction UID is already in use.").response()
            return
        if added is Added.TOO_MANY:
            yield StatusError(_RESOURCE_LIMITATION, "Too many reports are pending: accept them first.").response()
            return
        yield Response(status=_SUCCESS, elements={Tag.ACTION_TYPE: _REQUEST})
        in_hand = reporting.begin(commitment)
        if in_hand is not None:
            request.association.begin(_report_here(request, reporting, in_hand))


def _report_here(request: Request, reporting: Reporting, in_hand: InHand) -> Errand:
    """Send the report on the association that asked, between its requests, unless it ends or is silent too long."""
    association, has_arrived = request.association, False
    most = association.site.settings.commitment.same_association_seconds
    try:
        while association.silence() < _GRACE_SECONDS or not in_hand.wait(0):
            if association.silence() > most:
                return
            yield None
        report = in_hand.report
        if report is None or association.silence() > most:
            return
        data = report.data_set(encoding_of(request.context.transfer_syntax), association.called)
        values = report_values(report)
        response = yield association.send(request.context, Operation.N_EVENT_REPORT, values, [data])
        has_arrived = response is not None and response.number(Tag.STATUS) == _SUCCESS
    finally:
        reporting.leave(in_hand, has_arrived=has_arrived)


def _commitment_of(request: Request) -> Commitment:
    """Understand an N-ACTION (PS3.7 10.1.4.1.10 has the statuses).

    Raises:
        StatusError: it is not a request for commitment.
    """
    command, association = request.command, request.association
    if command.text(Tag.REQUESTED_SOP_CLASS) != CLASS:
        raise StatusError(_NO_SUCH_CLASS, "The SOP class is not Storage Commitment Push Model.")
    if command.text(Tag.REQUESTED_SOP_INSTANCE) != INSTANCE:
        raise StatusError(_NO_SUCH_INSTANCE, "The SOP Instance is not the well-known one.")
    if command.number(Tag.ACTION_TYPE) != _REQUEST:
        raise StatusError(_NO_SUCH_ACTION, "The Action Type ID is not 1.")
    if request.data is None:
        raise StatusError(_MISSING, "The request has no data set.")
    settings = association.site.settings
    try:
        identifier = identifier_of(request, settings.commitment.max_references * _LONGEST_ITEM)
    except StatusError as error:
        raise StatusError(_PROCESSING_FAILURE, error.comment, *error.tags) from error
    now = datetime.now(UTC)
    return Commitment(
        tenant=association.peer.tenant,
        peer=association.peer.name,
        calling=association.calling,
        called=association.called,
        transaction_uid=transaction_of(identifier),
        references=tuple(references_of(identifier, settings.commitment.max_references)),
        asked=now,
        due=now + _FIRST_TRY,
    )


def commitment_service() -> Service:
    """Return the service."""
    commitment = _Commitment()
    return Service(
        name="commitment",
        abstract_syntaxes=frozenset({CLASS}),
        operations={Operation.N_ACTION: commitment.action},
        permission=Permission.STORE,
        sends=True,
        start=commitment.start,
        stop=commitment.stop,
    )
