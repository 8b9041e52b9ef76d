"""What a broker must do."""

from __future__ import annotations

__all__ = ["BrokerContract"]


class BrokerContract:
    """Inherit from it in a class whose name starts with `Test`."""
