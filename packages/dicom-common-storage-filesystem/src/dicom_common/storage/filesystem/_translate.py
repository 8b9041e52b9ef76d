"""From the operating system's errors to the library's."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_common.core import BackendError, RefusedError, UnavailableError

__all__ = ["translated"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.EOPNOTSUPP,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EISDIR,
}


def _translate(error: OSError, root: Path, doing: str) -> BackendError:
    # Only the reason is repeated: the file's name holds UIDs.
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in _FULL:
        return UnavailableError(f"The storage folder {root} is full ({reason}): free space there, then try again.")
    if error.errno in _REFUSED:
        return RefusedError(
            f"The storage folder {root} does not allow {doing} ({reason}): check its permissions and what lies in it."
        )
    return UnavailableError(f"The storage folder {root} failed at {doing} ({reason}): try again, or check its disk.")


@contextmanager
def translated(root: Path, doing: str) -> Iterator[None]:
    """Turn an OSError into the BackendError that says what to do; `doing` is a noun phrase such as "writing"."""
    try:
        yield
    except OSError as error:
        raise _translate(error, root, doing) from error
