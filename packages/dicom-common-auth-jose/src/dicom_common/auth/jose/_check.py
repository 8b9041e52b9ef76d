"""One shape for all that can be wrong with a token, a key or a document: tables of small checks.

That they are data lets the tests take away one at a time, and show that something would then be let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dicom_common.core import AuthenticationError

__all__ = ["Check", "failed", "refuse"]


class Check(NamedTuple):
    """What must hold of something. `refusal` is what is said where it does not, with nothing of the thing in it."""

    name: str
    holds: Callable[[Any], bool]
    refusal: str


def failed(checks: Iterable[Check], thing: Any) -> Check | None:
    """Return the first check that does not hold of a thing."""
    for check in checks:
        if not check[1](thing):  # `holds`; by its place, because some 30 of them judge each token
            return check
    return None


def refuse(checks: Iterable[Check], thing: Any) -> None:
    """Refuse a token of which a check does not hold.

    Raises:
        AuthenticationError: one does not hold.
    """
    check = failed(checks, thing)
    if check is not None:
        raise AuthenticationError(check.refusal)
