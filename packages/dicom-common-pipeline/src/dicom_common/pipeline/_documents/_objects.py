"""What the index has as the metadata of instances, before it is joined to one array."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

import msgspec

__all__ = ["valid_objects"]

_log = logging.getLogger(__name__)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Checks the syntax of what is inside too, but makes nothing of it: that takes a fifth of the time. What is UTF-8 and
what is not passes it alike, so the bytes are decoded before."""


def valid_objects(objects: Iterable[bytes]) -> Iterator[bytes]:
    """Iterate over those of the objects that are JSON objects, one at a time; a warning says how many were left out.

    The reader writes nothing else. But the rows may be of an older version, or of another program, and one that is not
    JSON would make the metadata of a whole study unreadable.
    """
    left_out = 0
    for one in objects:
        if _is_object(one):
            yield one
        else:
            left_out += 1
    if left_out:
        _log.warning(
            "The index has metadata of %d instances that is not a JSON object; it is left out. "
            "Run `dicom-common reconcile --rebuild` to read these instances again.",
            left_out,
        )


def _is_object(data: bytes) -> bool:
    # Not `parse_json`, whose bound is for messages: sequences nest deeper, up to `reader.max_depth`.
    try:
        _OBJECT.decode(data.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
