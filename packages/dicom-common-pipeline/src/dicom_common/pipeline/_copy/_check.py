"""Whether a storage has everything that the index refers to: asked before the index is switched over to it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import islice

from dicom_common.core import Database, NotFoundError, ObjectInfo, Storage, Stored
from dicom_common.pipeline._concurrent import run_concurrently
from dicom_common.pipeline._copy._copy import digest_at
from dicom_common.pipeline._copy._journal import CopyJournal
from dicom_common.pipeline._copy._results import CopyResult, CopyStatus, failure
from dicom_common.pipeline._side_by_side import side_by_side

__all__ = ["check_against_index"]

_LOOKED_UP = 500


def check_against_index(  # noqa: PLR0913 - each is a choice of the person who calls the command
    db: Database,
    target: Storage,
    *,
    prefix: str = "",
    verify: bool = False,
    in_flight: int = 32,
    journal: CopyJournal | None = None,
) -> Generator[CopyResult, None, None]:
    """Look for all indexed objects in a storage, and yield a result for each; their order is not kept.

    The digest of each is compared with that of the index: the one that the storage keeps with the object, the one that
    a copy has verified, or else that of the bytes.

    Args:
        db: the index.
        target: where its objects should be.
        prefix: only keys that start with it.
        verify: read the bytes in any case.
        in_flight: objects that are asked for at the same time.
        journal: what copies to this storage have verified.

    Raises:
        BackendError: the index or the storage cannot be listed.
    """

    def tasks() -> Iterator[Callable[[], CopyResult]]:
        both = side_by_side(_rows(db, prefix), target.scan(prefix))
        rows = ((stored, info) for _, stored, info in both if stored is not None)
        while batch := list(islice(rows, _LOOKED_UP)):
            known = {} if journal is None or verify else journal.known([stored.key for stored, _ in batch])
            for stored, info in batch:
                noted = known.get(stored.key)
                digest = noted.sha256 if noted and info and noted.is_target(info) else None
                yield _task(target, stored, info, digest, verify)

    yield from run_concurrently(tasks(), in_flight)


def _task(
    target: Storage, stored: Stored, info: ObjectInfo | None, digest: str | None, verify: bool
) -> Callable[[], CopyResult]:
    def compare() -> CopyResult:
        try:
            found = info or target.stat(stored.key)  # listed before it was indexed, perhaps: look again
            if found.size == stored.size and (digest or digest_at(target, found, read=verify)) == stored.sha256:
                return CopyResult(key=stored.key, status=CopyStatus.PRESENT, size=stored.size)
        except NotFoundError:
            message = "It is indexed and not in the storage: copy again."
            return CopyResult(
                key=stored.key, status=CopyStatus.MISSING, size=stored.size, reason="missing", message=message
            )
        except Exception as error:  # noqa: BLE001 - one object must not stop the others
            return failure(stored.key, stored.size, error)
        return CopyResult(
            key=stored.key,
            status=CopyStatus.DIFFERENT,
            size=stored.size,
            reason="other-bytes",
            message="The storage has other bytes under this key than those that were indexed.",
        )

    return compare


def _rows(db: Database, prefix: str) -> Iterator[Stored]:
    # Behind the last key before the prefix: `after` is exclusive, and the prefix itself may be a key.
    for stored in db.walk(after=prefix[:-1] if prefix else ""):
        if stored.key.startswith(prefix):
            yield stored
        elif stored.key.encode() > prefix.encode():
            return
