"""What C-MOVE and C-GET have in common: which instances are meant, and who has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from dicom_common.core import AuditOutcome, Stored, UnavailableError
from dicom_common.dimse._access_audit import audit_sent, keeps_trail, require_trail
from dicom_common.dimse._find import GET_MODELS, MOVE_MODELS, negotiated_of
from dicom_common.dimse._identifiers import StatusError, encoding_of, identifier_of
from dicom_common.dimse._moving._counts import SubOperations
from dicom_common.dimse._moving._request import wanted_instances
from dicom_common.dimse._receiving import Request, Response

__all__ = ["Retrieval", "retrieval_of"]

_OUT_OF_RESOURCES: Final = 0xA701
_CANNOT_PERFORM: Final = 0xA702
_MODELS: Final = MOVE_MODELS | GET_MODELS


@dataclass(slots=True, kw_only=True)
class Retrieval:
    """A C-MOVE or C-GET that is being worked on."""

    instances: list[Stored]
    counts: SubOperations
    destination: str
    """Where to, as a URI, for the audit trail."""


def retrieval_of(
    request: Request, work: Callable[[Request, Retrieval], Iterator[Response]], destination: str = ""
) -> Iterator[Response]:
    """Find out what is asked for, have it sent, and record what went where.

    Args:
        request: the C-MOVE or C-GET.
        work: sends the instances, and gives the responses.
        destination: as a URI; the peer itself, by default.
    """
    association = request.association
    site, peer = association.site, association.peer
    try:
        identifier = identifier_of(request, site.settings.max_identifier_bytes)
        require_trail(site.services, _CANNOT_PERFORM)
        instances = wanted_instances(
            site.services.db,
            peer.tenant,
            identifier,
            _MODELS[request.context.abstract_syntax],
            relational=negotiated_of(request.context.extended).relational,
            most=site.settings.retrieve.max_instances,
        )
    except StatusError as error:
        yield error.response()
        return
    except UnavailableError:
        yield StatusError(_OUT_OF_RESOURCES, "The index cannot be reached now: try again later.").response()
        return
    counts = SubOperations(remaining=len(instances), encoding=encoding_of(request.context.transfer_syntax))
    retrieval = Retrieval(instances=instances, counts=counts, destination=destination or f"dicom://{peer.address}")
    try:
        yield from work(request, retrieval)
    finally:
        if keeps_trail(site.services):
            _audit(request, retrieval)


def _audit(request: Request, retrieval: Retrieval) -> None:
    """Record what was sent, and what failed, as two events; what was not tried is in neither."""
    peer, backends = request.association.peer, request.association.site.services
    failed = set(retrieval.counts.failed)
    tried = retrieval.instances[: len(retrieval.instances) - retrieval.counts.remaining]
    for outcome, was_failure in ((AuditOutcome.SUCCESS, False), (AuditOutcome.MINOR_FAILURE, True)):
        instances = [one for one in tried if (one.sop_uid in failed) == was_failure]
        audit_sent(backends, peer, instances, retrieval.destination, outcome)
