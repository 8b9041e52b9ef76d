"""What Azure tells of an object, which keys it can hold, and in which order it lists them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dicom_common.core import RefusedError
from dicom_common.storage.object import Kept, RemoteObject

__all__ = ["checked_name", "found_of", "in_order", "may_be_cut", "metadata_of", "skip_to", "total_of"]

_SHA256, _ATTEMPT = "sha256", "dicom_common_attempt"
"""The names of our metadata: in Azure they have to be identifiers of C#."""


def metadata_of(kept: Kept) -> dict[str, str]:
    """Return the metadata to write."""
    return {_SHA256: kept.sha256, _ATTEMPT: kept.attempt}


def found_of(key: str, size: int, etag: str, modified: datetime, metadata: dict[str, str] | None) -> RemoteObject:
    """Put it together. Listings give ETags without quotes, everything else with them."""
    names = {name.lower(): value for name, value in (metadata or {}).items()}
    return RemoteObject(
        key=key,
        size=size,
        modified=modified,
        version=etag.strip('"'),
        sha256=names.get(_SHA256),
        attempt=names.get(_ATTEMPT),
    )


def total_of(properties: Any) -> int:
    """Tell the size of the whole object from the properties of a range of it."""
    _, _, total = str(properties.content_range or "").rpartition("/")
    return int(total) if total.isdecimal() else int(properties.size)


_MOST_SEGMENTS = 254
_FIRST_SURROGATE = "\ud800"
"""Below it, the order of UTF-16 and that of UTF-8 are the same."""


def checked_name(key: str) -> str:
    """Return a key that Azure keeps as it is.

    Raises:
        RefusedError: it would not.
    """
    segments = key.split("/")
    if any(segment.endswith(".") for segment in segments):
        raise RefusedError(
            "Azure cuts dots from the end of names, so that two storage keys would be one: a key with a segment that"
            " ends in '.' cannot be stored there."
        )
    if len(segments) > _MOST_SEGMENTS:
        raise RefusedError(f"A storage key in Azure, with the setting prefix, has {_MOST_SEGMENTS} segments at most.")
    return key


def may_be_cut(last: str) -> bool:
    """Tell whether all names that are listed behind `last` come behind all before it in the order of UTF-8, too.

    Azure does not say by which order it sorts; by UTF-16 code units, U+1F600 (a pair of surrogates) comes before
    U+FF01. A name without such characters is a place where both orders agree.
    """
    return all(character < _FIRST_SURROGATE for character in last)


def in_order(found: Sequence[RemoteObject]) -> Sequence[RemoteObject]:
    """Sort by UTF-8 bytes."""
    return sorted(found, key=lambda each: each.key.encode())


def skip_to(after: str) -> str:
    """Return from where on to list, so that nothing behind `after` in the order of UTF-8 is missed in UTF-16's."""
    for place, character in enumerate(after):
        if character >= _FIRST_SURROGATE:
            return after[:place]
    return after
