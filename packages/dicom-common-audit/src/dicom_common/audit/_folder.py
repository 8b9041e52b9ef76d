"""The folder of the trail: its files in order, its lock, and where its end is."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from dicom_common.audit._chain import GENESIS, HASH, MOST_RECORDS
from dicom_common.toolkit import make_private_folder, parse_json

__all__ = ["Head", "TrailFolder"]

_FILE = re.compile(r"audit-(\d{12})-\d{8}\.jsonl", re.ASCII)
_HEAD_FILE, _LOCK_FILE = "head.json", ".lock"


@dataclass(frozen=True)
class Head:
    """The last record that was acknowledged, and the file and its size behind it."""

    seq: int = 0
    hash: str = GENESIS
    file: str = ""
    size: int = 0


class TrailFolder:
    """The files of a trail. Everything in it is for its owner only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def make(self) -> None:
        """Make the folder, closed to all others. One that is there keeps its mode.

        Raises:
            OSError: it cannot be made.
        """
        make_private_folder(self.path)

    def files(self) -> list[str]:
        """Return the names of the files, in the order of their records.

        Raises:
            OSError: the folder cannot be read.
        """
        try:
            return sorted(name for name in os.listdir(self.path) if _FILE.fullmatch(name))  # noqa: PTH208 - names only
        except FileNotFoundError:
            return []

    def name_of(self, seq: int, day: date) -> str:
        """Return the name of the file that begins with a record."""
        return f"audit-{seq:012}-{day:%Y%m%d}.jsonl"

    @contextmanager
    def locked(self, name: str = _LOCK_FILE) -> Iterator[None]:
        """Hold a lock against all other processes and threads; the system releases it when this one dies.

        Raises:
            OSError: the folder cannot be written.
        """
        descriptor = self.open(name, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def open(self, name: str, flags: int) -> int:
        """Open a file of the folder; never through a link, which could lead anywhere.

        Raises:
            OSError: it cannot be opened.
        """
        return os.open(self.path / name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def read_head(self) -> Head | None:
        """Return the head as it was written; None where no head can be read."""
        found = self.read_note(_HEAD_FILE) or {}
        seq, hash_, file, size = (found.get(name) for name in ("seq", "hash", "file", "size"))
        # With a number or a hash of another form, the next record could not be read any more.
        if (
            isinstance(seq, int)
            and 0 <= seq < MOST_RECORDS
            and isinstance(hash_, str)
            and HASH.fullmatch(hash_)
            and isinstance(file, str)
            and isinstance(size, int)
        ):
            return Head(seq, hash_, file, size)
        return None

    def write_head(self, head: Head) -> None:
        """Write the head. Not synced: after a loss of power it may be behind the trail, never ahead of it.

        Raises:
            OSError: it cannot be written.
        """
        self.write_note(_HEAD_FILE, asdict(head))

    def read_note(self, name: str) -> dict[str, object] | None:
        """Return what a small file holds; None: it does not exist, or is not ours."""
        try:
            found = parse_json((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write_note(self, name: str, content: dict[str, object]) -> None:
        """Write a small file so that it is there whole or as it was. The caller holds a lock.

        Raises:
            OSError: it cannot be written.
        """
        descriptor = self.open(f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(descriptor, json.dumps(content).encode())
        finally:
            os.close(descriptor)
        (self.path / f"{name}.new").replace(self.path / name)
