"""The identifier of a request on an association."""

from __future__ import annotations

from dicom_common.dimse._identifiers._elements import Identifier, encoding_of
from dicom_common.dimse._identifiers._reading import read_identifier
from dicom_common.dimse._identifiers._status_error import StatusError
from dicom_common.dimse._receiving import Request, TooLargeDataError

__all__ = ["identifier_of"]


def identifier_of(request: Request, most: int) -> Identifier:
    """Read the identifier of a request.

    Args:
        request: the request.
        most: the largest, in bytes.

    Raises:
        StatusError: C000, the request has no identifier, or it is too large or cannot be parsed.
    """
    if request.data is None:
        raise StatusError(0xC000, "The request has no identifier.")
    try:
        data = request.data.read_all(most)
    except TooLargeDataError:
        raise StatusError(0xC000, f"The identifier has more than {most} bytes.") from None
    undeclared = request.association.peer.settings.character_set
    return read_identifier(data, encoding_of(request.context.transfer_syntax), undeclared=undeclared)
