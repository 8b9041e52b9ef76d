"""All keys, by the walk of the toolkit over folders that are opened by descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

from dicom_common.core import ObjectInfo
from dicom_common.storage.filesystem._folders import Folder, open_folder
from dicom_common.toolkit import TreeEntry, walk_tree

__all__ = ["info_of", "scan_keys"]

_Node = tuple[Folder, "os.DirEntry[str]"]
"""An entry, and the folder that must stay open as long as it may be asked for its status."""


def info_of(key: str, status: os.stat_result) -> ObjectInfo:
    """Make the record of an object from what the file system knows."""
    return ObjectInfo(key=key, size=status.st_size, modified=datetime.fromtimestamp(status.st_mtime, UTC))


def scan_keys(root: Folder, prefix: str, after: str) -> Iterator[ObjectInfo]:
    """Iterate over the objects in order; see `Storage.scan`.

    Raises:
        OSError: a folder cannot be read.
    """

    def children(path: bytes, node: _Node | None) -> list[TreeEntry[_Node]]:
        try:
            if node is None:
                # "." opens a descriptor of our own also for the root: a listing's position belongs to the descriptor.
                return _entries(open_folder(root, [*path.split(b"/")[:-1], b"."]))
            above, entry = node
            return _entries(above.child(os.fsencode(entry.name)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    for key, (_, entry) in walk_tree(children, prefix=prefix, after=after):
        try:
            info = info_of(key, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue  # deleted meanwhile
        yield info


def _entries(folder: Folder) -> list[TreeEntry[_Node]]:
    found: list[TreeEntry[_Node]] = []
    with os.scandir(folder.fd) as entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder or entry.is_file(follow_symlinks=False):
                found.append(TreeEntry(os.fsencode(entry.name), is_folder, (folder, entry)))
    return found
