"""The stages of a write: find the folder, write a file without a name, name it, make the folder durable."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, ObjectInfo, Source, Write
from dicom_common.storage.filesystem._errors import kept, translated
from dicom_common.storage.filesystem._folders import Folder, KnownFolders, Walked
from dicom_common.storage.filesystem._placing import exists, place, prune, segments_of
from dicom_common.storage.filesystem._scan import info_of
from dicom_common.storage.filesystem._settings import Settings
from dicom_common.storage.filesystem._staging import StagedFile, Staging

__all__ = ["InParallel", "Step", "Writing"]

_CHUNK = 1 << 20
_LARGE = 128 * 1024
InParallel = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""`map`, or that of a pool of threads."""


@dataclass(slots=True)
class Step:
    """One write on its way."""

    write: Write
    walked: Walked | None = None
    file: StagedFile | None = None
    uploaded: StagedFile | None = None
    """A file that has the bytes already, and stays its upload's; `write` has no source then."""
    info: ObjectInfo | None = None
    error: Exception | None = None

    def answer(self) -> ObjectInfo:
        """Return what was written, or raise why it was not."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # see `kept`
        assert self.info is not None
        return self.info


class Writing:
    """Takes writes through their stages.

    Args:
        settings: modes, and whether to sync.
        path: the root, for messages.
        root: gives the root's descriptor, or raises where the storage is closed.
        staging: gives this process's place for files that have no name yet.
    """

    def __init__(
        self, settings: Settings, path: Path, root: Callable[[], Folder], staging: Callable[[], Staging]
    ) -> None:
        self._settings = settings
        self._path = path
        self._root = root
        self._staging = staging
        self._known = KnownFolders(settings.folder_mode)

    def run(self, steps: list[Step], in_parallel: InParallel) -> None:
        """Take writes through all stages; what goes wrong with one is kept in it."""
        folders: dict[str, Walked] = {}
        try:
            for step in steps:
                self._attempt(step, lambda step: self._walk(step, folders))
            for step in steps:
                if _is_small(step.write.source):
                    self._attempt(step, self._stage)
            list(in_parallel(lambda step: self._attempt(step, self._make_durable), steps))
            for step in steps:
                self._attempt(step, self._place)
        finally:
            for step in steps:
                if step.file is not None and step.uploaded is None:
                    step.file.close()
        self._sync_all(steps, in_parallel)
        folders.clear()  # the traceback of what a source raised has this frame
        for step in steps:
            step.walked = step.file = step.uploaded = None
            if step.error is not None and not isinstance(step.error, AlreadyExistsError):
                self._prune(step.write.key)

    def _attempt(self, step: Step, stage: Callable[[Step], None]) -> None:
        if step.error is not None:
            return
        try:
            with translated(self._path, "writing"):
                stage(step)
        except _SourceError as error:
            step.error = error.cause
        except BackendError as error:
            step.error = kept(error)

    def _walk(self, step: Step, folders: dict[str, Walked]) -> None:
        above, _, _ = step.write.key.rpartition("/")
        step.walked = folders.get(above)
        if step.walked is None:
            step.walked = folders[above] = self._known.make(self._root(), segments_of(step.write.key)[0])

    def _stage(self, step: Step) -> None:
        """Write the bytes to a file that has no name yet."""
        write = step.write
        assert step.walked is not None
        # Cheaper than to write it all first; the answer that counts is `place`'s.
        if write.if_absent and exists(step.walked.folder, segments_of(write.key)[1]):
            raise AlreadyExistsError("An object is already there under this storage key.")
        step.file = step.uploaded
        if step.file is None:
            step.file = self._staging().create(step.walked.folder, self._settings.file_mode)
            _fill(step.file, write)
        os.fchmod(step.file.fd, self._settings.file_mode)  # the mode of `open` is cut by the umask

    def _make_durable(self, step: Step) -> None:
        """Sync the file, which is written here if it was not before."""
        if step.file is None:
            self._stage(step)
        assert step.file is not None
        if self._settings.fsync:
            os.fsync(step.file.fd)
            # What is on the disk need not stay in memory: an archive that takes in a terabyte would push out everything
            # that is read. And the pages are used again for the next object: new ones cost up to 2 ms an object of
            # 500 KB in a virtual machine, more than all the rest of its write (measured; 0.5 ms instead of 1.3 ms). A
            # small object has few, and reading it from the disk again takes five times as long as all else of a read.
            if hasattr(os, "posix_fadvise") and step.file.size >= _LARGE:  # not on macOS
                os.posix_fadvise(step.file.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def _place(self, step: Step) -> None:
        """Give the file its name."""
        write = step.write
        assert step.walked is not None
        assert step.file is not None
        # Files are written side by side and named one by one: their times are to have the order of the batch, which is
        # the order in which a rebuilt index sees them. The kernel's own clock for files has steps of milliseconds.
        now = time.time_ns()
        os.utime(step.file.fd, ns=(now, now))
        found = info_of(write.key, os.fstat(step.file.fd))
        step.info = replace(found, sha256=write.sha256)
        step.walked = place(self._root(), self._known, step.file, write.key, step.walked, if_absent=write.if_absent)

    def _sync_all(self, steps: list[Step], in_parallel: InParallel) -> None:
        """Sync each folder once. Also "it is already there" is said only of what is durable."""
        settled = [
            step for step in steps if step.walked and (step.error is None or isinstance(step.error, AlreadyExistsError))
        ]
        targets = {path: folder for step in settled if step.walked for path, folder in step.walked.unsynced.items()}
        errors = dict(zip(targets, in_parallel(self._sync, targets.values()), strict=True))
        done = {path for path, error in errors.items() if error is None}
        for step in settled:
            assert step.walked is not None
            self._known.synced(step.walked, done)
            step.error = next((errors[path] for path in step.walked.unsynced if path not in done), None) or step.error

    def _sync(self, folder: Folder) -> BackendError | None:
        try:
            if self._settings.fsync:
                with translated(self._path, "writing"):
                    os.fsync(folder.fd)
        except BackendError as error:
            return kept(error)
        return None

    def _prune(self, key: str) -> None:
        """Delete the empty folders that a failed write left."""
        with suppress(OSError):
            folders, _ = segments_of(key)
            chain = [self._root()]
            for segment in folders:
                chain.append(chain[-1].child(segment))
            prune(chain, folders)


class _SourceError(Exception):
    """Carries what a source raised past the translation of our own errors."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def _is_small(source: Source) -> bool:
    """Tell whether a write is so short that handing it over to another thread takes longer."""
    return isinstance(source, bytes) and 0 < len(source) < _LARGE


def _fill(file: StagedFile, write: Write) -> None:
    digest = None if write.sha256 is None else hashlib.sha256()
    pieces = _pieces(write.source)
    while True:
        try:
            piece = next(pieces, None)
        except Exception as error:
            raise _SourceError(error) from error
        if piece is None:
            break
        if digest is not None:
            digest.update(piece)
        file.append(piece)
    if digest is not None and digest.hexdigest() != write.sha256:
        raise DamagedError("The bytes of an object do not have the SHA-256 that was given; nothing was written.")


def _pieces(source: Source) -> Iterator[memoryview]:
    if isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source).cast("B")
        # In pieces, so that hashing and writing share the processor's cache.
        for start in range(0, len(view), _CHUNK):
            yield view[start : start + _CHUNK]
        return
    while chunk := source.read(_CHUNK):
        yield memoryview(chunk).cast("B")
