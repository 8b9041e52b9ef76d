"""What a cache must do."""

from __future__ import annotations

__all__ = ["CacheContract"]


class CacheContract:
    """Inherit from it in a class whose name starts with `Test`."""
