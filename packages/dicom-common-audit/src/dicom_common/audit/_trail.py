"""Appending to the trail: durable, by several processes and threads at once, and never over what is there."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dicom_common.audit._chain import GENESIS, Keys, Record, encode, parse
from dicom_common.audit._fields import fields_of
from dicom_common.audit._folder import Head, TrailFolder
from dicom_common.audit._message import audit_message
from dicom_common.audit._settings import AuditSettings
from dicom_common.audit._statements import healed_event
from dicom_common.core import AuditEvent, AuditKind, AuditOutcome, UnavailableError

__all__ = ["Trail"]

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Turn:
    """What one caller wants appended, and what became of it."""

    contents: Sequence[bytes]
    done: bool = False
    error: Exception | None = None


@dataclass(frozen=True)
class _End:
    """The end of the trail as it was found, and what has to be done and told before anything is appended."""

    head: Head
    mend: bytes = b""
    """What the last file lacks: the newline behind a line that was not finished."""
    alerts: tuple[AuditEvent, ...] = ()


@dataclass
class Trail:
    """A trail in a folder. Thread-safe, and several processes may have it open.

    Threads that append at once share one write and one sync of the disk.
    """

    settings: AuditSettings
    _waiting: list[_Turn] = field(default_factory=list)
    _queue: threading.Lock = field(default_factory=threading.Lock)
    _turns: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        settings = self.settings
        self.folder = TrailFolder(settings.folder)
        self.keys = Keys(settings.key, settings.former_keys, settings.keyed_since)
        self._source = settings.source or socket.gethostname()

    @property
    def uri(self) -> str:
        """Where it is."""
        return Path(os.path.abspath(self.folder.path)).as_uri()  # noqa: PTH100 - resolve() would follow links

    def append(self, events: Sequence[AuditEvent]) -> None:
        """Append a record for each event; on return they are durable.

        Raises:
            UnavailableError: they could not be written. The trail is as it was.
        """
        turn = _Turn([self._content(event) for event in events])  # what is wrong with an event is its caller's
        with self._queue:
            self._waiting.append(turn)
        with self._turns:
            # Whoever comes first writes for all who came meanwhile; they find their turn done.
            if not turn.done:
                with self._queue:
                    turns, self._waiting = self._waiting, []
                self._commit(turns)
        if turn.error is not None:
            why = getattr(turn.error, "strerror", None) or type(turn.error).__name__
            raise UnavailableError(
                f"The audit trail in {self.folder.path} cannot be written ({why}): mend that folder."
            ) from turn.error

    def refusal(self) -> str | None:
        """Return why nothing could be appended now; None: nothing is known against it."""
        try:
            self.folder.make()
            with self.folder.locked():
                if (names := self.folder.files()) and not os.access(self.folder.path / names[-1], os.W_OK):
                    return "the last file of the audit trail cannot be written"
            if shutil.disk_usage(self.folder.path).free < self.settings.free_bytes:
                return "the disk of the audit trail is full"
        except OSError as error:
            return f"the audit trail cannot be written ({error.strerror or type(error).__name__})"
        return None

    def _commit(self, turns: Sequence[_Turn]) -> None:
        error: Exception | None = None
        try:
            self.folder.make()
            with self.folder.locked():
                self._write([content for turn in turns for content in turn.contents])
        except Exception as failure:  # noqa: BLE001 - it is raised in every thread that waits for it
            error = failure
        for turn in turns:
            turn.error, turn.done = error, True

    def _write(self, contents: Sequence[bytes]) -> None:
        end = self._end()
        head, today = end.head, datetime.now(UTC).date()
        seq, hash_ = head.seq, head.hash
        lines = [end.mend]
        for content in (*map(self._content, end.alerts), *contents):
            seq += 1
            line, hash_ = self.keys.seal(seq, hash_, content)
            lines.append(line)
        same_day = head.file.endswith(f"-{today:%Y%m%d}.jsonl")
        if end.mend or (head.file and same_day and head.size < self.settings.file_bytes):
            name, is_new = head.file, False
        else:
            name, is_new = self.folder.name_of(head.seq + 1, today), True
        size = self._add(name, b"".join(lines), is_new=is_new)
        with suppress(OSError):  # the records are durable; who comes next looks for the end
            self.folder.write_head(Head(seq, hash_, name, size))

    def _content(self, event: AuditEvent) -> bytes:
        xml = audit_message(event, source=self._source, site=self.settings.site, trail=self.uri)
        return encode(fields_of(event), xml)

    def _add(self, name: str, data: bytes, *, is_new: bool) -> int:
        """Write behind the end of a file and sync it; return its size then. A failure leaves it as it was."""
        descriptor = self.folder.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            before = os.fstat(descriptor).st_size
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fdatasync(descriptor)
            except OSError:
                os.ftruncate(descriptor, before)  # it was never acknowledged
                raise
            if is_new:
                _sync_folder(self.folder.path)
            return before + len(data)
        finally:
            os.close(descriptor)

    def _end(self) -> _End:
        """Find the end. The note of it is believed where the last file has the size that it says."""
        noted, names = self.folder.read_head() or Head(), self.folder.files()
        last = names[-1] if names else ""
        if last == noted.file and (not last or (self.folder.path / last).stat().st_size == noted.size):
            return _End(noted)
        return self._look_for_end(names, noted)

    def _look_for_end(self, names: Sequence[str], noted: Head) -> _End:
        """Read the last file: a process was killed before it wrote the note, or somebody changed a file."""
        size, torn, seq, hash_ = 0, b"", 0, GENESIS
        for name in reversed(names):
            record, length, rest = self._scan(name)
            if name == names[-1]:
                size, torn = length, rest
            if record is not None:
                seq, hash_ = record.seq, record.hash
                break
        alerts = []
        if torn and parse(torn) is None:
            alerts.append(healed_event(torn))
            _log.warning("the audit trail ended in a record that was not finished: it is kept, and told in the trail")
        if noted.seq > seq:
            # Records that were acknowledged are gone. Their numbers are not used again, so that the gap shows.
            alerts.append(_lost(seq + 1, noted.seq))
            _log.error("the audit trail has lost records: run `dicom-common audit verify`")
            seq, hash_ = noted.seq, noted.hash
        return _End(Head(seq, hash_, names[-1] if names else "", size), b"\n" if torn else b"", tuple(alerts))

    def _scan(self, name: str) -> tuple[Record | None, int, bytes]:
        """Return the last record of a file, the file's size, and the line that it breaks off in."""
        last, size, torn = None, 0, b""
        with os.fdopen(self.folder.open(name, os.O_RDONLY), "rb") as stream:
            for line in stream:
                size += len(line)
                record = parse(line.removesuffix(b"\n"))
                if record is not None and (last is None or record.seq > last.seq):
                    last = record
                torn = b"" if line.endswith(b"\n") else line
        return last, size, torn


def _lost(first: int, last: int) -> AuditEvent:
    return AuditEvent(
        kind=AuditKind.SECURITY_ALERT,
        outcome=AuditOutcome.MAJOR_FAILURE,
        reason="Records of the audit trail are gone.",
        details={"trail": "lost", "first": str(first), "last": str(last)},
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
