"""All keys in ascending order of their bytes, one folder's names in memory at a time for each level."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from dicom_common.core import RESERVED_SEGMENT, ObjectInfo, validate_key
from dicom_common.storage.filesystem._folders import Folder, open_folder

__all__ = ["info_of", "scan_keys"]

_NO_SEGMENT = (b"", b".", b"..")
_RESERVED = RESERVED_SEGMENT.encode() + b"/"


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """Make the record of an object from what the file system knows."""
    return ObjectInfo(key=key, size=status.st_size, modified=datetime.fromtimestamp(status.st_mtime, UTC))


def scan_keys(root: Folder, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """Iterate over the objects in order; see `Storage.scan`.

    Raises:
        OSError: a folder cannot be read.
    """
    try:
        wanted, behind = prefix.encode(), after.encode()
    except UnicodeEncodeError:
        return  # no key is like that
    above, _, _ = wanted.rpartition(b"/")
    segments = above.split(b"/") if above or wanted.startswith(b"/") else []
    if b"\0" in wanted or any(segment in _NO_SEGMENT or len(segment) > 255 for segment in segments):
        return
    try:
        # "." opens a descriptor of our own also for the root: a listing's position belongs to the descriptor.
        start = open_folder(root, [*segments, b"."])
    except (FileNotFoundError, NotADirectoryError):
        return
    stack = [_listing(start, above + b"/" if segments else b"", wanted, behind)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        folder, key, entry = found
        try:
            if key.endswith(b"/"):
                stack.append(_listing(folder.child(os.fsencode(entry.name)), key, wanted, behind))
            elif (text := _valid(key)) is not None:
                yield info_of(text, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue  # deleted meanwhile


def _listing(
    folder: Folder, path: bytes, wanted: bytes, behind: bytes
) -> Iterator[tuple[Folder, bytes, os.DirEntry[str]]]:
    """Iterate over a folder's entries that can lead to a key that is asked for.

    A folder is sorted as `name/`, because that is how the keys below it go on: `a.c` comes before `a/b`.
    """
    entries = []
    with os.scandir(folder.fd) as names:
        for entry in names:
            key = path + os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                key += b"/"
                if key == _RESERVED or (key <= behind and not behind.startswith(key)):
                    continue
                if not (key.startswith(wanted) or wanted.startswith(key)):
                    continue
            elif key <= behind or not key.startswith(wanted) or not entry.is_file(follow_symlinks=False):
                continue
            entries.append((key, entry))
    entries.sort(key=lambda pair: pair[0])
    # The folder is handed on with each entry: it must stay open as long as an entry may ask for its status.
    return ((folder, key, entry) for key, entry in entries)


def _valid(key: bytes) -> str | None:
    """Return the key of a file; None for a file that somebody else put here under a name that is no key."""
    try:
        return validate_key(key.decode())
    except ValueError:
        return None
