"""Calling what may hang: a result within a time limit, or TimeoutError."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["EscapedError", "TimeLimitError", "call_within"]

T = TypeVar("T")


class TimeLimitError(TimeoutError):
    """The time limit of `call_within` is over: not to be confused with a TimeoutError of what was called."""


class EscapedError(RuntimeError):
    """What was called raised something that is not an `Exception`, such as a KeyboardInterrupt; that is its cause.

    It must not end the caller, who would take it for the wish of a person.
    """


def call_within(seconds: float, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function in a thread of its own and wait for it no longer than a time limit.

    A call that does not come back is left behind in its thread, a daemon: it cannot be ended, and does not keep the
    process from ending (the threads of `concurrent.futures` would).

    Raises:
        TimeoutError: the time is over (a `TimeLimitError`), or the function itself raised one.
        EscapedError: the function raised what is neither an `Exception` nor a `SystemExit`.
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
        if not isinstance(value, Exception | SystemExit):
            raise EscapedError(f"{type(value).__name__} came out of a call") from value
        raise value
    result: T = value
    return result
