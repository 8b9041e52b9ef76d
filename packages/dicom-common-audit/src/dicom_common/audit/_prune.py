"""Deleting the oldest files of the trail, in a way that the rest tells: a removal that nobody recorded is a flaw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from dicom_common.audit._chain import Record, parse
from dicom_common.audit._fields import moment_of
from dicom_common.audit._outbox import published_up_to
from dicom_common.audit._trail import Trail
from dicom_common.core import AuditEvent, AuditKind

__all__ = ["prunable", "prune"]


def prunable(trail: Trail, before: datetime) -> tuple[list[str], Record | None]:
    """Return the oldest files all of whose records are from before a moment, and the last record in them.

    A file stays that has a changed record, or one whose key is not known: who can write the files, and has no key, must
    not be able to make records look old, and so have them deleted on purpose.

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
        records = list(_records(trail, name))
        if not records or not all(_is_before(record, before) and not trail.keys.flaw(record) for record in records):
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
    details = {"command": "audit prune", "trail": "pruned", "through": str(last.seq), "hash": last.hash}
    kind = AuditKind.SECURITY_CHANGED
    trail.append([AuditEvent(kind=kind, user=user, address=address, request_id=request_id, details=details)])
    for name in files:
        with suppress(FileNotFoundError):  # another process was faster
            (trail.folder.path / name).unlink()


def _records(trail: Trail, name: str) -> Iterator[Record]:
    with (trail.folder.path / name).open("rb") as stream:
        for line in stream:
            if (record := parse(line.removesuffix(b"\n"))) is not None:
                yield record


def _is_before(record: Record, before: datetime) -> bool:
    try:
        return moment_of(record.content["event"]) < before
    except (ValueError, KeyError, TypeError):
        return False  # it was changed: it stays, for who looks into that
