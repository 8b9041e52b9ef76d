"""What the operating system's errors mean."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

from dicom_common.core import BackendError, RefusedError, UnavailableError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["kept", "translated"]

_MEANINGS = (
    Meaning(
        UnavailableError,
        "The storage folder {root} is full ({reason}): free space there, then try again.",
        codes=(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    ),
    Meaning(
        RefusedError,
        "The storage folder {root} does not allow {doing} ({reason}): check its permissions and what is in it,"
        " or name another folder as its root.",
        codes=(
            *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG),
            *(errno.EOPNOTSUPP, errno.ELOOP, errno.ENOTDIR, errno.EISDIR),
        ),
    ),
    Meaning(UnavailableError, "The storage folder {root} failed at {doing} ({reason}): try again, or check its disk."),
)


class translated:  # noqa: N801 - it is used as a function is
    """Turn an OSError into the BackendError that says what to do; `doing` is a noun phrase such as "writing".

    A class, because each write is several times within one: a generator takes three times as long.
    """

    __slots__ = ("_doing", "_root")

    def __init__(self, root: Path, doing: str) -> None:
        self._root, self._doing = root, doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            # Only the reason is repeated: the file's name holds UIDs.
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            values = {"root": self._root, "doing": self._doing, "reason": reason}
            raise Meanings(_MEANINGS, values).error(error, error.errno) from error


def kept(error: BackendError) -> BackendError:
    """Return an error that is an answer, without the frames that it came through.

    They hold folders and bytes; and where one of them, or of those that called them, holds the error as well, all of
    that stays until the garbage collector comes. On a full disk, the descriptors are used up before.
    """
    for one in (error, error.__cause__):
        if one is not None:
            one.__traceback__ = one.__context__ = None
    return error
