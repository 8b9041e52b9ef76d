"""A spool: an upload to a storage that can only write what is whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from dicom_common.core import ObjectInfo, Storage, UnavailableError
from dicom_common.toolkit._uploads import StreamedUpload

__all__ = ["SPOOL_MEMORY", "SpoolSink", "spooled_upload", "spooling"]

SPOOL_MEMORY = 1 << 20
"""How many bytes of a spool stay in memory; with more, all are in a file."""


class SpoolSink:
    """Collects the bytes of an upload, and has the storage write them when they are all there.

    Args:
        storage: writes the object.
        file: where the bytes wait, read and written from its beginning; it is closed at the end. None: in memory, and
            where there are more than `SPOOL_MEMORY`, in a file without a name in the temporary folder (`TMPDIR`), which
            ends with the process.
    """

    def __init__(self, storage: Storage, file: BinaryIO | None = None) -> None:
        self._storage = storage
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(SPOOL_MEMORY)) if file is None else file  # noqa: SIM115 - `drop` closes it

    def append(self, data: memoryview) -> None:
        """See `Sink.append`."""
        with spooling():
            self._file.write(data)

    def place(self, key: str, sha256: str, *, if_absent: bool) -> ObjectInfo:
        """See `Sink.place`."""
        with spooling():
            self._file.seek(0)
            return self._storage.write(key, self._file, if_absent=if_absent, sha256=sha256)

    def drop(self) -> None:
        """See `Sink.drop`."""
        self._file.close()


def spooled_upload(storage: Storage) -> StreamedUpload:
    """Begin an upload to any storage, also to one that does not offer `Uploads`."""
    return StreamedUpload(SpoolSink(storage))


@contextmanager
def spooling() -> Iterator[None]:
    """Say of an error in this block, which writes to a temporary file, what to do: an `UnavailableError`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise UnavailableError(
            f"The temporary folder {tempfile.gettempdir()} cannot keep what arrives ({reason}): free space there, or"
            " name another folder in TMPDIR."
        ) from error
