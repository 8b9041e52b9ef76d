"""Range reads of a stored object, in the form in which the reader asks for them."""

from __future__ import annotations

from collections.abc import Callable

from dicom_common.core import DamagedError, NotFoundError, Storage, Stored

__all__ = ["ObjectLostError", "damaged", "lost", "ranges_of"]


class ObjectLostError(NotFoundError):
    """The storage does not have the object of an instance that the index had when it was looked up: `sop_uid`.

    The object is lost, or the instance was removed meanwhile, and then the index does not have it any more.
    """

    def __init__(self, message: str, sop_uid: str) -> None:
        super().__init__(message)
        self.sop_uid = sop_uid

    def __reduce__(self) -> tuple[type[ObjectLostError], tuple[str, str]]:
        return type(self), (str(self), self.sop_uid)


def ranges_of(storage: Storage, stored: Stored) -> Callable[[int, int], bytes]:
    """Return a function that reads bytes of an object: from an offset on, so many.

    It raises what `Storage.read` does, `ObjectLostError` where there is no object, and `DamagedError` where it is
    shorter than the index says.
    """

    def read_range(offset: int, length: int) -> bytes:
        wanted = max(0, min(length, stored.size - offset))
        try:
            data = b"".join(storage.read(stored.key, start=offset, length=wanted)) if wanted else b""
        except NotFoundError as error:
            raise lost(stored) from error
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


def lost(stored: Stored) -> ObjectLostError:
    """Make the error for an object that is not there."""
    return ObjectLostError(
        f"The storage does not have the object of the instance {stored.sop_uid}: "
        "restore it from a copy, or send the instance again.",
        stored.sop_uid,
    )
