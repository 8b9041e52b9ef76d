"""Calling what may hang: a result within a time limit, or TimeoutError."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["TimeLimitError", "call_within"]

T = TypeVar("T")


class TimeLimitError(TimeoutError):
    """The time limit of `call_within` is over: not to be confused with a TimeoutError of what was called."""


def call_within(seconds: float, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function in a thread of its own and wait for it no longer than a time limit.

    A call that does not come back is left behind in its thread, a daemon: it cannot be ended, and does not keep the
    process from ending (the threads of `concurrent.futures` would).

    Raises:
        TimeoutError: the time is over (a `TimeLimitError`), or the function itself raised one.
    """
    answer: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            answer.append((True, function(*args, **kwargs)))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
            answer.append((False, error))

    thread = threading.Thread(target=run, name=f"within-{seconds:g}s", daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeLimitError
    succeeded, value = answer[0]
    if not succeeded:
        raise value
    result: T = value
    return result
