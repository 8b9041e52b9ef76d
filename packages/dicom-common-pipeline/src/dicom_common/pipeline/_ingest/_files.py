"""Finding the files that are to be ingested, and reporting everything that a walk does not take."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

__all__ = ["Missed", "MissedReason", "find_files"]


class MissedReason(StrEnum):
    """Why a walk did not take something. A code never changes its meaning."""

    HIDDEN = "hidden"
    """Its name begins with a dot: by convention it is not data."""
    FOLDER_LINK = "folder-link"
    """A link to a folder, and links are not followed."""
    DANGLING_LINK = "dangling-link"
    """A link to something that is not there, or to itself."""
    SPECIAL_FILE = "special-file"
    """A named pipe, a socket or a device."""
    UNREADABLE = "unreadable"
    """A folder that cannot be read, or not to its end; a link that leads through one."""
    PATH_TOO_LONG = "path-too-long"
    """Its path is longer than the system takes (4,096 bytes on Linux)."""
    VANISHED = "vanished"
    """It was there a moment ago."""


_MESSAGES = {
    MissedReason.HIDDEN: "It is hidden: name it to take it.",
    MissedReason.FOLDER_LINK: "It is a link to a folder: follow links (--follow-links), or name it.",
    MissedReason.DANGLING_LINK: "It is a link that leads nowhere.",
    MissedReason.SPECIAL_FILE: "It is a pipe, a socket or a device, not a regular file.",
    MissedReason.UNREADABLE: "It cannot be read",
    MissedReason.PATH_TOO_LONG: "Its path is too long: walk from a folder further below, or shorten the names.",
    MissedReason.VANISHED: "It is not there any more.",
}
_REASON_OF = {
    errno.ENAMETOOLONG: MissedReason.PATH_TOO_LONG,
    errno.ENOENT: MissedReason.VANISHED,
    errno.ENOTDIR: MissedReason.VANISHED,
}


@dataclass(frozen=True, slots=True)
class Missed:
    """Something that a walk did not take."""

    path: Path
    reason: MissedReason
    error: OSError | None = field(default=None, compare=False)
    """The error of the system, where it refused."""

    @property
    def message(self) -> str:
        """The reason as one sentence for a person."""
        if self.reason is MissedReason.UNREADABLE:
            return f"{_MESSAGES[self.reason]}: {self.error.strerror if self.error else 'for an unknown reason'}."
        return _MESSAGES[self.reason]


def _raise(missed: Missed) -> None:
    if missed.error is not None:
        raise missed.error


def find_files(
    paths: Iterable[Path], *, follow_links: bool = False, missed: Callable[[Missed], object] = _raise
) -> Iterator[Path]:
    """Iterate over files, and the files of folders and all below, in the order of their names.

    Hidden files and folders (`.name`) inside a folder are passed over; one that is named itself is taken. Links to
    files are followed. What is named itself is taken whatever it is: the ingest reports what is wrong with it.

    Args:
        paths: files and folders.
        follow_links: follow links to folders inside folders, too. Each folder is walked once then, however many links
            lead to it, also in circles.
        missed: called, in the thread that iterates, with each thing that is not taken; the walk goes on.

    Raises:
        OSError: without `missed`: a path is not there, or a folder cannot be read. The walk ends.
    """
    walk = _Walk(missed, follow_links=follow_links)
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            # A path that is not there is reported here; it is not a file that cannot be read.
            missed(Missed(path, _REASON_OF.get(error.errno or 0, MissedReason.UNREADABLE), error))
        else:
            if is_folder:
                yield from walk.below(path)
            else:
                yield path


class _Walk:
    def __init__(self, missed: Callable[[Missed], object], *, follow_links: bool) -> None:
        self._missed = missed
        self._follow_links = follow_links
        self._walked: set[tuple[int, int]] = set()

    def below(self, folder: Path) -> Iterator[Path]:
        # An explicit stack of sorted entries: deep trees need no recursion, wide ones are one folder's at a time.
        stack = [iter(self._entries(folder))]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
                continue
            path = Path(entry.path)
            try:
                # Known from the folder, where the file system keeps it there: no further call.
                is_file, is_folder = entry.is_file(), entry.is_dir()
            except OSError:
                is_file = is_folder = False
            if entry.name.startswith("."):
                self._missed(Missed(path, MissedReason.HIDDEN))
            elif is_file:
                yield path
            elif is_folder and entry.is_symlink() and not self._follow_links:
                self._missed(Missed(path, MissedReason.FOLDER_LINK))
            elif is_folder:
                stack.append(iter(self._entries(path)))
            else:
                self._missed(self._other(path))

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """Return what is in a folder, sorted by name; what could be read of it, where it breaks off."""
        found: list[os.DirEntry[str]] = []
        try:
            if self._follow_links:
                status = folder.stat()
                if (status.st_dev, status.st_ino) in self._walked:
                    return []
                self._walked.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                found.extend(entries)
        except OSError as error:
            self._missed(Missed(folder, _REASON_OF.get(error.errno or 0, MissedReason.UNREADABLE), error))
        return sorted(found, key=lambda entry: entry.name)

    @staticmethod
    def _other(path: Path) -> Missed:
        """Describe what is neither a file nor a folder."""
        try:
            path.stat()
        except OSError as error:
            if path.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return Missed(path, MissedReason.DANGLING_LINK)
            return Missed(path, _REASON_OF.get(error.errno or 0, MissedReason.UNREADABLE), error)
        return Missed(path, MissedReason.SPECIAL_FILE)
