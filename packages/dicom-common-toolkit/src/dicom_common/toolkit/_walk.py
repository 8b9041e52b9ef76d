"""All keys of a store that has folders, in ascending order of their bytes: what `Storage.scan` promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from dicom_common.core import RESERVED_SEGMENT, validate_key

__all__ = ["TreeEntry", "walk_tree"]

N = TypeVar("N")
_NO_SEGMENT = (b"", b".", b"..")
_RESERVED = RESERVED_SEGMENT.encode() + b"/"
_LONGEST_SEGMENT = 255
"""Bytes of a segment of a key."""


class TreeEntry(NamedTuple, Generic[N]):
    """A name in a folder."""

    name: bytes
    """UTF-8, without a slash. One that is no segment of a key is passed over."""
    is_folder: bool
    node: N
    """Whatever the store knows of it: it is handed back with the key, or to `children`."""


def walk_tree(
    children: Callable[[bytes, N | None], Iterable[TreeEntry[N]]], *, prefix: str = "", after: str = ""
) -> Iterator[tuple[str, N]]:
    """Iterate over the objects of a tree, in ascending order of the UTF-8 bytes of their keys.

    A folder is listed when the walk comes to it, and one that holds no key that is asked for is not listed at all. Only
    the names of the folders on the way to the current object are in memory. What lies in `RESERVED_SEGMENT` at the top,
    and names that make no key, are passed over.

    Args:
        children: lists a folder, given its path (`b""`, or `b"a/b/"`) and its node, which is None for the folder that
            the walk begins with. A folder that is not there (any more) has no children.
        prefix: only keys that begin with it.
        after: only keys behind it.
    """
    try:
        wanted, behind = prefix.encode(), after.encode()
    except UnicodeEncodeError:
        return  # no key is like that
    above, slash, _ = wanted.rpartition(b"/")
    segments = above.split(b"/") if slash else []
    if b"\0" in wanted or any(segment in _NO_SEGMENT or len(segment) > _LONGEST_SEGMENT for segment in segments):
        return
    stack = [_listing(above + slash, children(above + slash, None), wanted, behind)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        key, node = found
        if key.endswith(b"/"):
            stack.append(_listing(key, children(key, node), wanted, behind))
        elif (text := _valid(key)) is not None:
            yield text, node


def _listing(path: bytes, entries: Iterable[TreeEntry[N]], wanted: bytes, behind: bytes) -> Iterator[tuple[bytes, N]]:
    """Return those entries of a folder, in order, that can lead to a key that is asked for.

    A folder is sorted as `name/`, because that is how the keys below it go on: `a.c` comes before `a/b`.
    """
    found = []
    for name, is_folder, node in entries:
        key = path + name
        if is_folder:
            key += b"/"
            if key == _RESERVED or (key <= behind and not behind.startswith(key)):
                continue
            if not (key.startswith(wanted) or wanted.startswith(key)):
                continue
        elif key <= behind or not key.startswith(wanted):
            continue
        found.append((key, node))
    found.sort(key=lambda pair: pair[0])
    return iter(found)


def _valid(key: bytes) -> str | None:
    """Return the key of an object; None for one that somebody else put there under a name that is no key."""
    try:
        return validate_key(key.decode())
    except ValueError:
        return None
