"""Deleting the oldest files of the trail, in a way that the rest tells: a removal without a record is a flaw."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from dicom_common.audit._chain import Record, parse
from dicom_common.audit._fields import moment_of
from dicom_common.audit._outbox import published_up_to
from dicom_common.audit._statements import PRUNED_KIND, Pruned, heals
from dicom_common.audit._trail import Trail
from dicom_common.core import AuditEvent

__all__ = ["prunable", "prune"]


def prunable(trail: Trail, before: datetime) -> tuple[list[str], Record | None]:
    """Return the oldest files all of whose records are from before a moment, and the last record in them.

    A file stays that has a changed record, one whose key is not known, one out of order, or a line that is no record.
    Who can write the files, and has no key, must not be able to make records look old, or hide them in what is not
    read, and so have them deleted on purpose.

    The newest file stays, and so does what was not published yet, where the trail is published.

    Raises:
        OSError: a file cannot be read.
    """
    names = trail.folder.files()[:-1]
    if trail.settings.publish:
        at = published_up_to(trail.folder)
        names = [name for name in names if name < at]
    found: list[str] = []
    last: Record | None = None
    for name in names:
        records = _whole(trail, name, last.seq if last is not None else 0)
        if not records or not all(_is_before(record, before) for record in records):
            break
        found.append(name)
        last = records[-1]
    return found, last


def prune(  # noqa: PLR0913 - who does it is three of them
    trail: Trail, files: Sequence[str], last: Record, *, user: str, address: str, request_id: str
) -> None:
    """Record that these files are deleted, then delete them, the oldest first. It may be interrupted and done again.

    Raises:
        UnavailableError: it could not be recorded; nothing was deleted.
        OSError: a file cannot be deleted.
    """
    # By this record `verify` knows that all up to that one were deleted on purpose.
    details = Pruned(last.seq, last.hash).details()
    trail.append([AuditEvent(kind=PRUNED_KIND, user=user, address=address, request_id=request_id, details=details)])
    for name in files:
        with suppress(FileNotFoundError):  # another process was faster
            (trail.folder.path / name).unlink()


def _whole(trail: Trail, name: str, after: int) -> list[Record]:
    """Return the records of a file, if nothing else is in it and their numbers ascend from `after`; else none."""
    found: list[Record] = []
    torn: bytes | None = None
    with (trail.folder.path / name).open("rb") as stream:
        for data in stream:
            line = data.removesuffix(b"\n")
            record = parse(line)
            if record is None and torn is None:
                torn = line  # the next record may tell that it was never finished
                continue
            if record is None or record.seq <= after or trail.keys.flaw(record):
                return []
            if torn is not None and not heals(record, torn):
                return []
            found.append(record)
            torn, after = None, record.seq
    return found if torn is None else []


def _is_before(record: Record, before: datetime) -> bool:
    try:
        return moment_of(record.content["event"]) < before
    except (ValueError, KeyError, TypeError):
        return False  # it was changed: it stays, for who looks into that
