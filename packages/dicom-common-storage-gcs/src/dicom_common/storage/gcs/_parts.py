"""Large objects: parts that are objects of their own for a while, and composed by the store.

Of the three ways that Google has, a resumable upload sends its parts one after the other, and an XML multipart upload
takes no precondition when it completes. Composing has parallel parts, and the precondition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["MOST_SOURCES", "PARTS", "compose_all", "each", "part_name"]

MOST_SOURCES = 32
"""How many objects one request composes."""
PARTS = "parts"
"""The folder of parts, below the reserved segment."""
_THREADS = 8

T = TypeVar("T")
R = TypeVar("R")


def part_name(folder: str, number: int, level: int = 0) -> str:
    """Name a part; those that are composed of others have a higher level."""
    return f"{folder}{level}-{number:06d}"


def compose_all(folder: str, parts: Sequence[T], compose: Callable[[str, Sequence[T]], T]) -> list[T]:
    """Compose groups of parts, and groups of those, until one request can take what is left.

    Args:
        folder: where the composed ones are put.
        parts: in order.
        compose: makes an object of that name of some parts.
    """
    level = 0
    left = list(parts)
    while len(left) > MOST_SOURCES:
        level += 1
        groups = [left[at : at + MOST_SOURCES] for at in range(0, len(left), MOST_SOURCES)]
        named = [(part_name(folder, number, level), group) for number, group in enumerate(groups)]
        left = each(lambda pair: compose(*pair), named)
    return left


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call a function for each item, some at once; the first error is raised when all have been tried."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items))) as pool:
        return [future.result() for future in [pool.submit(function, item) for item in items]]
