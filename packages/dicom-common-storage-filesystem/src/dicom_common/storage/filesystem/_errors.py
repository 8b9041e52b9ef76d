"""What the operating system's errors mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["translated"]

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


@contextmanager
def translated(root: Path, doing: str) -> Iterator[None]:
    """Turn an OSError into the BackendError that says what to do; `doing` is a noun phrase such as "writing"."""
    try:
        yield
    except OSError as error:
        # Only the reason is repeated: the file's name holds UIDs.
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise Meanings(_MEANINGS, {"root": root, "doing": doing, "reason": reason}).error(error, error.errno) from error
