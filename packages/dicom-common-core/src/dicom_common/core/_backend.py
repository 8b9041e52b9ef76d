"""What a plugin hands over: one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["STORAGES", "Backend", "Extension", "storage_table"]

STORAGES = "storages."
"""How the tables of further storages begin."""

T_co = TypeVar("T_co", covariant=True)


class Extension(Protocol):
    """What an extension opens: an object with hook implementations as methods. Thread-safe."""

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Backend(Generic[T_co]):
    """A backend as its plugin registers it.

    Args:
        name: the name of the entry point, by which the configuration chooses it.
        settings: a frozen, keyword-only dataclass; its fields are the keys of the table in the configuration.
        open: takes settings and returns the live backend. It may connect, and must not wait for long.
        built_on: for a backend that is built on others: takes settings and returns the tables of those that it needs,
            such as `storages.plain` (see `storage_table`) or `cache`. `open` is given them behind the settings, in that
            order, as live backends. `Services` opens them before and closes them after it: the backend must not close
            them.
        place: takes settings and returns where the data lie, as a URI without credentials: `file:///srv/images`, or
            `object://host/bucket/prefix`. A storage whose place is, or lies within, that of another one is not copied
            to it. Without it, two storages are told apart by their settings.
    """

    name: str
    settings: type[Any]
    open: Callable[..., T_co]
    built_on: Callable[[Any], Sequence[str]] | None = None
    place: Callable[[Any], str] | None = None


def storage_table(name: str) -> str:
    """Return the table of a storage: `storage` for the main one, which has that name, else `storages.NAME`."""
    return name if name == "storage" else f"{STORAGES}{name}"
