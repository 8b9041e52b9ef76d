"""Two listings that are in the order of their keys, read together."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, TypeVar

__all__ = ["side_by_side"]


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


L = TypeVar("L", bound=_Keyed)
R = TypeVar("R", bound=_Keyed)


def side_by_side(left: Iterable[L], right: Iterable[R]) -> Iterator[tuple[str, L | None, R | None]]:
    """Yield each key with what the two listings have at it, or None. Memory does not grow with them.

    Both are in ascending order of the keys' UTF-8 bytes. What is written or deleted meanwhile may look like a
    difference: look again before you act on one.
    """
    listings: list[Iterator[tuple[bytes, int, Any]]] = [
        ((one.key.encode(), 0, one) for one in left),
        ((one.key.encode(), 1, one) for one in right),
    ]
    for key, group in groupby(heapq.merge(*listings, key=itemgetter(0, 1)), key=itemgetter(0)):
        sides = {side: one for _, side, one in group}
        yield key.decode(), sides.get(0), sides.get(1)
