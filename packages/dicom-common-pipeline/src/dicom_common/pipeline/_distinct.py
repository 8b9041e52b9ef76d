"""Splitting a batch in which the same thing may occur twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

__all__ = ["distinct_groups"]

T = TypeVar("T")


def distinct_groups(items: Iterable[T], identity: Callable[[T], Hashable]) -> Iterator[list[T]]:
    """Split items into groups in each of which an identity occurs once; what came first is in an earlier group."""
    waiting = list(items)
    while waiting:
        group: dict[Hashable, T] = {}
        waiting = [item for item in waiting if group.setdefault(identity(item), item) is not item]
        yield list(group.values())
