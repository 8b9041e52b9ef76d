"""Finding the files that are to be ingested."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["find_files"]


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Iterate over files, and the files of folders and all below, in the order of their names.

    Hidden files and folders (`.name`) inside a folder are passed over; one that is named itself is taken. Links to
    files are followed, links to folders are not (they may go round in circles).

    Raises:
        FileNotFoundError: a path is not there.
        OSError: a folder cannot be read.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        else:
            path.stat()  # a path that is not there is an error here, not a file that cannot be read
            yield path


def _below(folder: Path) -> Iterator[Path]:
    # An explicit stack of sorted names: deep trees are no recursion, wide ones are one folder's names at a time.
    stack = [iter([folder])]
    while stack:
        path = next(stack[-1], None)
        if path is None:
            stack.pop()
        elif path.is_dir() and (path == folder or not path.is_symlink()):
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
            stack.append(iter([path / name for name in names]))
        elif path.is_file():
            yield path
