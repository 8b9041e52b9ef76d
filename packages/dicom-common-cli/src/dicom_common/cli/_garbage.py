"""How often garbage is looked for: seldom while a command starts, as often as Python does it in a server."""

from __future__ import annotations

import gc

__all__ = ["settle_down", "start_quickly"]

_ALLOCATIONS = 50_000
"""So many more objects there are before garbage is looked for. With 700, the default, that is a twentieth of the time
of a short command, which makes no garbage (measured with `ingest` of one file)."""
_USUAL = gc.get_threshold()


def start_quickly() -> None:
    """Look for garbage seldom."""
    gc.set_threshold(_ALLOCATIONS, *_USUAL[1:])


def settle_down() -> None:
    """Look for garbage as usual: for a command that goes on until it is stopped, before what it leaves is much."""
    gc.set_threshold(*_USUAL)
