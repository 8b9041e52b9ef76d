"""The results of a copy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)

__all__ = ["CopyResult", "CopyStatus", "failure"]


class CopyStatus(StrEnum):
    """The result for an object."""

    COPIED = "copied"
    PRESENT = "present"
    """The target has the same bytes already."""
    MISSING = "missing"
    """The target does not have it: a dry run would copy it, a check against the index misses it."""
    DIFFERENT = "different"
    """The target has other bytes under its key, and keeps them."""
    EXTRA = "extra"
    """The target has it, and the source does not."""
    DELETED = "deleted"
    """It was extra, and was deleted from the target."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """The answer for one key."""

    key: str
    status: CopyStatus
    size: int = 0
    """In bytes."""
    reason: str = ""
    """A stable code where there is more to say than the status; else empty."""
    message: str = ""
    """The same as a sentence for a person."""
    retry: bool = False
    """Nothing is wrong with the object: another run may succeed."""

    @property
    def is_good(self) -> bool:
        """Whether the target has the object as it should."""
        return self.status in (CopyStatus.COPIED, CopyStatus.PRESENT, CopyStatus.DELETED)


def failure(key: str, size: int, error: Exception) -> CopyResult:
    """Make the result of an object that could not be copied or compared. Of a foreign error only the type is shown."""
    reasons: dict[type[Exception], str] = {
        DamagedError: "damaged",
        NotFoundError: "gone",
        AlreadyExistsError: "busy",
        UnavailableError: "unavailable",
        RefusedError: "refused",
        BackendError: "storage",
    }
    reason = next((code for kind, code in reasons.items() if isinstance(error, kind)), "error")
    message = str(error) if isinstance(error, BackendError) else f"It cannot be copied ({type(error).__name__})."
    retry = reason in ("unavailable", "gone", "busy")
    return CopyResult(key=key, status=CopyStatus.FAILED, size=size, reason=reason, message=message, retry=retry)
