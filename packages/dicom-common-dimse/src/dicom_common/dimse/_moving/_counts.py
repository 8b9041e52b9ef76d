"""How the sub-operations of one request went (PS3.4 C.4.2.1, C.4.3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_common.dimse._identifiers import Encoding, TextEncoder, Written, write_identifier
from dicom_common.dimse._receiving import Response, Tag, Value
from dicom_common.dimse._status_ranges import StatusCategory, category_of

__all__ = ["SubOperations"]

_SUCCESS, _PENDING, _CANCEL, _FAILED, _PARTLY = 0x0000, 0xFF00, 0xFE00, 0xA702, 0xB000
_FAILED_LIST = 0x00080058
_ASCII = TextEncoder(())


@dataclass(slots=True, kw_only=True)
class SubOperations:
    """The counts of sub-operations, and the responses that tell them."""

    remaining: int
    encoding: Encoding
    """Of the data sets of responses."""
    completed: int = 0
    warnings: int = 0
    failed: list[str] = field(default_factory=list)
    """The SOP Instance UIDs of those that failed."""

    def count(self, sop_uid: str, status: int) -> None:
        """Count a sub-operation by its status (PS3.7 annex C)."""
        self.remaining -= 1
        category = category_of(status)
        if category is StatusCategory.SUCCESS:
            self.completed += 1
        elif category is StatusCategory.WARNING:
            self.warnings += 1
        else:
            self.failed.append(sop_uid)

    def pending(self) -> Response:
        """Return the response between two sub-operations."""
        return Response(status=_PENDING, elements=self._counts(Tag.REMAINING))

    def cancelled(self) -> Response:
        """Return the final response after a C-CANCEL."""
        return Response(status=_CANCEL, elements=self._counts(Tag.REMAINING), data=self._failed_list())

    def final(self, comment: str = "") -> Response:
        """Return the final response when nothing remains.

        Args:
            comment: why sub-operations failed, if they did so for one reason.
        """
        if not self.failed:
            status = _PARTLY if self.warnings else _SUCCESS
        else:
            status = _PARTLY if self.completed or self.warnings else _FAILED
        elements = self._counts()
        if comment and self.failed:
            elements[Tag.ERROR_COMMENT] = comment[:64]
        return Response(status=status, elements=elements, data=self._failed_list())

    def _counts(self, *more: Tag) -> dict[Tag, Value]:
        counts: dict[Tag, Value] = {
            Tag.COMPLETED: self.completed,
            Tag.FAILED: len(self.failed),
            Tag.WARNING: self.warnings,
        }
        return {**dict.fromkeys(more, self.remaining), **counts}

    def _failed_list(self) -> bytes | None:
        """Write the Failed SOP Instance UID List (C.4.2.1.4.2); None where nothing failed."""
        if not self.failed:
            return None
        listed = Written(_FAILED_LIST, "UI", "\\".join(self.failed))
        return write_identifier([listed], self.encoding, _ASCII, declare=False)
