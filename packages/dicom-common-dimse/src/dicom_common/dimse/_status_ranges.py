"""The five categories of the status of a DIMSE service (PS3.7 Annex C)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["StatusCategory", "category_of"]


class StatusCategory(StrEnum):
    """The categories of a Status (0000,0900)."""

    SUCCESS = "success"
    PENDING = "pending"
    """Further responses follow."""
    CANCEL = "cancel"
    WARNING = "warning"
    """The operation succeeded, but differs from the request in some way."""
    FAILURE = "failure"


_SUCCESS: Final = 0x0000
_PENDING: Final = frozenset((0xFF00, 0xFF01))
_CANCEL: Final = 0xFE00
_WARNINGS: Final = frozenset((0x0001, 0x0107, 0x0116))


def category_of(status: int) -> StatusCategory:
    """Return the category of a status; a status that the standard does not define is a failure.

    Args:
        status: from 0 to FFFF.
    """
    if status == _SUCCESS:
        return StatusCategory.SUCCESS
    if status in _PENDING:
        return StatusCategory.PENDING
    if status == _CANCEL:
        return StatusCategory.CANCEL
    if status >> 12 == 0xB or status in _WARNINGS:
        return StatusCategory.WARNING
    return StatusCategory.FAILURE
