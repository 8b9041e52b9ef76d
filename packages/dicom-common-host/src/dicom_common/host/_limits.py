"""Whether a number is within the limits that its setting declares, and the words for them."""

from __future__ import annotations

from dicom_common.core import Limits

__all__ = ["is_within", "limits_text"]


def is_within(limits: Limits, value: float) -> bool:
    """Tell whether a number is within the limits; NaN never is."""
    return (
        value == value  # noqa: PLR0124 - NaN is not equal to itself
        and (limits.least is None or value >= limits.least)
        and (limits.above is None or value > limits.above)
        and (limits.most is None or value <= limits.most)
    )


def limits_text(limits: Limits) -> str:
    """Return the limits in words, such as `1 to 1,000` or `above 0`."""
    low = f"above {_shown(limits.above)}" if limits.above is not None else ""
    low = _shown(limits.least) if limits.least is not None else low
    if limits.most is None:
        return f"{low} or more" if limits.least is not None else low
    joint = " to " if limits.least is not None else ", at most " if low else "at most "
    return f"{low}{joint}{_shown(limits.most)}"


def _shown(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else str(number)
