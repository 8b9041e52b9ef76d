"""The limits of a setting, declared once beside its type."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which numbers a setting has to be, as metadata of its type; the host checks what it converts.

        pool_size: Annotated[int, Limits(1, 1000)] = 8
        timeout: Annotated[float, Limits(above=0, most=3600)] = 30.0

    Args:
        least: the least number; None: no limit.
        most: the greatest number; None: no limit.
        above: a number that is just too small, in place of `least`.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
