"""Asking a peer whether it is there (C-ECHO), and what it has (C-FIND)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Final

from dicom_common.core import BackendError, Level, UnavailableError
from dicom_common.dimse._calling._association import NoContextError, associated
from dicom_common.dimse._calling._contexts import UNCOMPRESSED
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._calling._identifiers import Match, decoded, encoded, identifier, match_of
from dicom_common.dimse._receiving import Command, Operation, Tag, Value
from dicom_common.dimse._requesting import Outgoing, Proposal
from dicom_common.dimse._status_ranges import StatusCategory, category_of

__all__ = ["LOW", "context_of", "echo", "failed", "find", "require_status"]

LOW: Final = 2
"""The Priority (0000,0700) of what we ask for."""
_VERIFICATION: Final = "1.2.840.10008.1.1"
_PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
_STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"


def echo(destination: Destination) -> None:
    """Verify that a peer answers and accepts our association (PS3.7 9.1.5).

    Raises:
        UnavailableError: the peer cannot be reached, or does not answer.
        RefusedError: the peer rejects the association.
        BackendError: the peer responds with a failure status.
    """
    with associated(destination, [Proposal(_VERIFICATION, UNCOMPRESSED)]) as association:
        (number,) = association.accepted.values()
        response = association.request(number, Operation.C_ECHO, {Tag.AFFECTED_SOP_CLASS: _VERIFICATION}, None)
        code = require_status(response, destination, "C-ECHO")
        if category_of(code) is StatusCategory.FAILURE:
            raise failed(destination, "C-ECHO", code)


def find(
    destination: Destination,
    level: Level,
    keys: Mapping[str, str],
    fields: Iterable[str] = (),
    *,
    limit: int | None = None,
) -> Generator[Match, None, None]:
    """Search a peer, and iterate over the matches as they arrive (PS3.4 C.4.1).

    Uses the Patient Root information model at the patient level, and the Study Root model at all other levels.

    Args:
        destination: the peer.
        level: the Query/Retrieve Level. Below the study level, the unique keys of the higher levels are required.
        keys: the matching keys and their values; see `identifier`.
        fields: further attributes to return.
        limit: the maximum number of matches, after which the query is cancelled.

    Raises:
        QueryError: a key is not an attribute, or a value is invalid for its VR.
        UnavailableError: the peer cannot be reached, or ended the association; there may be more matches.
        RefusedError: the peer rejects the association, or does not offer the service.
        BackendError: the peer responds with a failure status, or with an identifier that cannot be read.
    """
    model = _PATIENT_ROOT_FIND if level is Level.PATIENT else _STUDY_ROOT_FIND
    asked = identifier(level, keys, fields, character_set=destination.character_set)
    number, is_cancelled = 0, limit == 0
    if is_cancelled:
        return
    with associated(destination, [Proposal(model, UNCOMPRESSED)]) as association:
        context_id, syntax = context_of(association, model)
        values: dict[Tag, Value] = {Tag.AFFECTED_SOP_CLASS: model, Tag.PRIORITY: LOW}
        for response, data in association.responses(context_id, Operation.C_FIND, values, [encoded(asked, syntax)]):
            code = require_status(response, destination, "C-FIND")
            category = category_of(code)
            if category is StatusCategory.FAILURE:
                raise failed(destination, "C-FIND", code)
            if category is not StatusCategory.PENDING:
                return
            answer = decoded(data, syntax)
            if answer is None:
                raise BackendError(
                    f"The peer {destination} answered C-FIND with an identifier that cannot be read as a data set."
                )
            if is_cancelled:
                continue
            number += 1
            yield match_of(answer)
            if number == limit:
                is_cancelled = True
                association.cancel(context_id)


def context_of(association: Outgoing, abstract_syntax: str) -> tuple[int, str]:
    """Return the id and the transfer syntax of the accepted context of a model.

    Raises:
        NoContextError: the peer accepted no context of this model.
    """
    for (accepted, (syntax,)), number in association.accepted.items():
        if accepted == abstract_syntax:
            return number, syntax
    raise NoContextError("The peer does not offer this service, or does not allow us to use it.")


def require_status(response: Command, destination: Destination, service: str) -> int:
    """Return the status of a response.

    Raises:
        UnavailableError: it has none.
    """
    code = response.number(Tag.STATUS)
    if code is None:
        raise UnavailableError(f"The response of the peer {destination} to {service} has no status.")
    return code


def failed(destination: Destination, service: str, code: int) -> BackendError:
    """Make the error for a response with a failure; its Error Comment may hold anything, and is left out."""
    from pynetdicom.status import (  # noqa: PLC0415 - only where something failed
        GENERAL_STATUS,
        QR_FIND_SERVICE_CLASS_STATUS,
        QR_GET_SERVICE_CLASS_STATUS,
    )

    known = {**QR_GET_SERVICE_CLASS_STATUS, **QR_FIND_SERVICE_CLASS_STATUS, **GENERAL_STATUS}
    meaning = known.get(code, ("", ""))[1]
    return BackendError(
        f"The peer {destination} answered {service} with {code:04X}{f' ({meaning})' if meaning else ''}: its log may"
        " say why."
    )
