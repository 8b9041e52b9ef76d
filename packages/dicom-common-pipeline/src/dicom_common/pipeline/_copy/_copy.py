"""Copying objects between two storages: many in flight, verified, and never at the cost of the source."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO

from dicom_common.core import AlreadyExistsError, NotFoundError, ObjectInfo, Storage
from dicom_common.pipeline._concurrent import run_concurrently
from dicom_common.pipeline._copy._journal import CopyJournal, Verified
from dicom_common.pipeline._copy._results import CopyResult, CopyStatus, failure
from dicom_common.pipeline._documents._layout import is_document
from dicom_common.pipeline._read import digest_of
from dicom_common.pipeline._side_by_side import side_by_side

__all__ = ["CopyOptions", "copy_objects", "digest_at"]

_LOOKED_UP = 500
"""Keys that are asked for in the index and the journal at once."""
_SPOOLED = 1 << 20
"""Bytes of an object that are held in memory; a larger one goes through a temporary file."""


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    """What is copied, and how."""

    prefix: str = ""
    """Only keys that start with it."""
    in_flight: int = 32
    """Objects that are under way at the same time. Memory: about 2 MiB each."""
    dry_run: bool = False
    """Only report; nothing is written. Objects that both sides have are compared by size, and by digest where a
    storage keeps one."""
    verify: bool = False
    """Read what both sides have already and compare the digests; else those that are known count."""
    overwrite: bool = False
    """Replace what the target has with other bytes under the same key."""
    delete_extra: bool = False
    """Delete from the target what the source does not have (any more), and the index does not know."""

    def __post_init__(self) -> None:
        """Refuse a number that is too small."""
        if self.in_flight < 1:
            raise ValueError("in_flight has to be at least 1")


Pair = tuple[str, ObjectInfo | None, ObjectInfo | None]
"""A key, with the object of the source and that of the target; one may be absent."""


def copy_objects(
    source: Storage,
    target: Storage,
    options: CopyOptions,
    *,
    journal: CopyJournal | None = None,
    expected: Callable[[Sequence[str]], Mapping[str, str]] = lambda _: {},
) -> Generator[CopyResult, None, None]:
    """Copy what the target does not have yet, and yield a result for each object; their order is not kept.

    An object's digest is taken while it is read, compared with the one that is expected, and given to the target, which
    refuses other bytes. The source is only read. Metadata documents are passed over: they
    change, and are made anew from the index. Other processes may store, replace and remove instances meanwhile; what
    came behind is copied by another run. It may be interrupted or killed at any time: a key of the target has the whole
    object, or nothing. Closing the iterator waits for what is in flight.

    Args:
        source: where the objects are.
        target: where they are to be.
        options: see there.
        journal: what earlier runs have verified; with it another run asks only for what is new.
        expected: gives the SHA-256 that objects must have, in hex, by key, for those of which it is known.

    Raises:
        BackendError: one of the storages cannot be listed, or the index cannot be asked. What goes wrong with a single
            object is its answer.
    """
    copier = _Copier(source, target, options)
    pairs = side_by_side(_instances(source, options.prefix), _instances(target, options.prefix))

    def tasks() -> Iterator[Callable[[], _Outcome]]:
        while batch := list(islice(pairs, _LOOKED_UP)):
            keys = [key for key, _, _ in batch]
            digests = expected(keys)
            known = {} if journal is None else journal.known(keys)
            for pair in batch:
                yield copier.task(pair, digests.get(pair[0]), known.get(pair[0]))

    for result, verified in run_concurrently(tasks(), options.in_flight):
        if journal is not None and verified is not None:
            journal.note(verified)
        yield result


_Outcome = tuple[CopyResult, Verified | None]


class _Copier:
    def __init__(self, source: Storage, target: Storage, options: CopyOptions) -> None:
        self._source = source
        self._target = target
        self._options = options

    def task(self, pair: Pair, expected: str | None, known: Verified | None) -> Callable[[], _Outcome]:
        """Make what is to be done for a pair; it raises nothing."""

        def guarded() -> _Outcome:
            try:
                return self._do(pair, expected, known)
            except Exception as error:  # noqa: BLE001 - one object must not stop the others
                key, source, target = pair
                info = source or target
                return failure(key, info.size if info else 0, error), None

        return guarded

    def _do(self, pair: Pair, expected: str | None, known: Verified | None) -> _Outcome:
        key, source, target = pair
        if source is None:
            return self._extra(key, expected), None
        if target is None:
            if self._options.dry_run:
                return CopyResult(key=source.key, status=CopyStatus.MISSING, size=source.size), None
            return self._copy(source, expected)
        is_known = known is not None and known.is_source(source) and known.is_target(target)
        if is_known and not self._options.verify and expected in (None, known.sha256 if known else None):
            return CopyResult(key=source.key, status=CopyStatus.PRESENT, size=source.size), None
        return self._compare(source, target, expected)

    def _copy(self, source: ObjectInfo, expected: str | None, *, overwrite: bool = False) -> _Outcome:
        key = source.key
        with tempfile.SpooledTemporaryFile(_SPOOLED) as spool:
            try:
                digest = self._fetch(key, spool)
            except NotFoundError:
                # Removed since it was listed: there is nothing that the target would have to have.
                return CopyResult(key=key, status=CopyStatus.PRESENT, reason="removed-meanwhile"), None
            if expected is not None and digest != expected:
                return _damaged(source), None
            spool.seek(0)
            try:
                written = self._target.write(key, spool, if_absent=not overwrite, sha256=digest)  # type: ignore[arg-type]  # a spool is a BinaryIO but for the name
            except AlreadyExistsError:  # another copy, or this one before it was killed, came first
                return self._compare(source, self._target.stat(key), expected)
        result = CopyResult(key=key, status=CopyStatus.COPIED, size=written.size)
        return result, Verified.of(source, written, digest)

    def _fetch(self, key: str, spool: IO[bytes]) -> str:
        digest = hashlib.sha256()
        for chunk in self._source.read(key):
            digest.update(chunk)
            spool.write(chunk)
        return digest.hexdigest()

    def _compare(self, source: ObjectInfo, target: ObjectInfo, expected: str | None) -> _Outcome:
        """Compare an object that both have."""
        same_size = source.size == target.size
        if same_size and self._options.dry_run and not self._options.verify:
            ours = expected or source.sha256 or self._source.stat(source.key).sha256
            theirs = target.sha256 or self._target.stat(target.key).sha256
            same = ours is None or theirs is None or ours == theirs
            status = CopyStatus.PRESENT if same else CopyStatus.DIFFERENT
            return CopyResult(key=source.key, status=status, size=source.size), None
        if same_size:
            theirs = digest_at(self._target, target, read=self._options.verify)
            ours = digest_at(self._source, source, read=self._options.verify)
            if theirs == (expected or ours):
                verified = Verified.of(source, target, theirs)
                if ours != theirs:
                    return _damaged(source, "The target has what is indexed."), None
                return CopyResult(key=source.key, status=CopyStatus.PRESENT, size=source.size), verified
            if expected is not None and ours != expected:
                return _damaged(source), None
        if self._options.overwrite and not self._options.dry_run:
            return self._copy(source, expected, overwrite=True)
        return CopyResult(
            key=source.key,
            status=CopyStatus.DIFFERENT,
            size=source.size,
            reason="other-bytes",
            message="The target has other bytes under this key: look which are right; overwriting replaces them.",
        ), None

    def _extra(self, key: str, indexed: str | None) -> CopyResult:
        if not self._options.delete_extra or self._options.dry_run:
            return CopyResult(key=key, status=CopyStatus.EXTRA)
        if indexed is not None:
            message = "It is indexed, and the source does not have it: it is kept."
            return CopyResult(key=key, status=CopyStatus.EXTRA, reason="indexed", message=message)
        try:
            self._source.stat(key)
        except NotFoundError:
            self._target.delete(key)
            return CopyResult(key=key, status=CopyStatus.DELETED)
        return CopyResult(key=key, status=CopyStatus.PRESENT, reason="stored-meanwhile")


def _damaged(source: ObjectInfo, more: str = "Restore it from a copy.") -> CopyResult:
    return CopyResult(
        key=source.key,
        status=CopyStatus.FAILED,
        size=source.size,
        reason="source-damaged",
        message=f"Its bytes in the source are not those that were indexed. {more}",
    )


def digest_at(storage: Storage, info: ObjectInfo, *, read: bool) -> str:
    """Return the SHA-256 of an object: the one that the storage keeps with it, or that of its bytes.

    Args:
        storage: where it is.
        info: what is known of it.
        read: read the bytes in any case.

    Raises:
        BackendError: it cannot be read.
    """
    kept = None if read else info.sha256 or storage.stat(info.key).sha256
    return kept or digest_of(storage, info.key)


def _instances(storage: Storage, prefix: str) -> Iterator[ObjectInfo]:
    return (info for info in storage.scan(prefix) if not is_document(info.key))
