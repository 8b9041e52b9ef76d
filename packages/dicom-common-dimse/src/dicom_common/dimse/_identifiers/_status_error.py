"""The end of a request that cannot be served: its status, and why, for the response."""

from __future__ import annotations

from dicom_common.dimse._receiving import Response, Tag, Value

__all__ = ["StatusError"]

_COMMENT = 64
"""Characters of Error Comment (0000,0902), a LO."""


class StatusError(Exception):
    """A request gets a failure status (PS3.7 annex C).

    Args:
        status: the status.
        comment: why; it goes out as Error Comment, so it holds no value of the request. Cut to 64 characters.
        tags: the elements that are at fault: Offending Element (0000,0901).
    """

    def __init__(self, status: int, comment: str, *tags: int) -> None:
        super().__init__(f"{status:04X}: {comment}")
        self.status, self.tags = status, tags
        text = comment.encode("ascii", "replace").decode()
        self.comment = text if len(text) <= _COMMENT else text[: _COMMENT - 3] + "..."

    def response(self) -> Response:
        """Return the response that says so."""
        elements: dict[Tag, Value] = {Tag.ERROR_COMMENT: self.comment}
        if self.tags:
            elements[Tag.OFFENDING_ELEMENT] = self.tags
        return Response(status=self.status, elements=elements)
