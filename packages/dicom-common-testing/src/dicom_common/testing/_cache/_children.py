"""What the child processes of the cache contract do. They find it by import, so it is here and not in the contract."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from dicom_common.core import Cache

__all__ = ["add_all"]


def add_all(open_cache: Callable[[], Cache], keys: list[str], owner: bytes) -> list[str]:
    """Add each key; return those that this process was given."""
    with closing(open_cache()) as cache:
        return [key for key in keys if cache.add(key, owner, ttl=60)]
