"""What a storage must do."""

from __future__ import annotations

__all__ = ["StorageContract"]


class StorageContract:
    """Inherit from it in a class whose name starts with `Test`."""
