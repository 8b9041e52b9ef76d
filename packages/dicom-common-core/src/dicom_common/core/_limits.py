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

    def holds(self, value: float) -> bool:
        """Tell whether a number is within the limits; NaN never is."""
        return (
            value == value  # noqa: PLR0124 - NaN is not equal to itself
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
        )

    def __str__(self) -> str:
        low = f"above {_shown(self.above)}" if self.above is not None else ""
        low = _shown(self.least) if self.least is not None else low
        if self.most is None:
            return f"{low} or more" if self.least is not None else low
        joint = " to " if self.least is not None else ", at most " if low else "at most "
        return f"{low}{joint}{_shown(self.most)}"


def _shown(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else str(number)
