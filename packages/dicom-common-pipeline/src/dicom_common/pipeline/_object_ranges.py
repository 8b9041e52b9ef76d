"""Range reads of a stored object, in the form in which the reader asks for them."""

from __future__ import annotations

from collections.abc import Callable

from dicom_common.core import DamagedError, Storage, Stored

__all__ = ["damaged", "ranges_of"]


def ranges_of(storage: Storage, stored: Stored) -> Callable[[int, int], bytes]:
    """Return a function that reads bytes of an object: from an offset on, so many.

    It raises what `Storage.read` does, and `DamagedError` where the object is shorter than the index says.
    """

    def read_range(offset: int, length: int) -> bytes:
        wanted = max(0, min(length, stored.size - offset))
        data = b"".join(storage.read(stored.key, start=offset, length=wanted)) if wanted else b""
        if len(data) != wanted:
            raise damaged(stored)
        return data

    return read_range


def damaged(stored: Stored) -> DamagedError:
    """Make the error for an object that is not the one that was indexed."""
    return DamagedError(
        f"The object of the instance {stored.sop_uid} is damaged: its bytes are not those that were indexed. Restore it"
        " from a copy, or send the instance again."
    )
