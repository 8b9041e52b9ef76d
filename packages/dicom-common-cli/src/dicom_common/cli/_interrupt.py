"""Ctrl-C that lets what is in flight come to its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["stopping_on_signals"]


@contextmanager
def stopping_on_signals(message: str = "") -> Iterator[threading.Event]:
    """Give an event that the first SIGINT or SIGTERM sets. The second one interrupts at once.

    Args:
        message: what the first signal says on stderr.
    """
    stop = threading.Event()
    told = False
    # A handler runs in the middle of whatever the main thread does. If that is `stop.wait`, it holds the lock that
    # `stop.set` takes, and would wait for itself: so another thread sets it.
    reading, writing = os.pipe()
    setter = threading.Thread(target=_set_when_told, args=(stop, reading), name="stop-on-signal", daemon=True)
    setter.start()

    def on_signal(_: int, __: FrameType | None) -> None:
        nonlocal told
        if told or stop.is_set():
            raise KeyboardInterrupt
        told = True
        os.write(writing, b"x")
        if message:
            # Not print: the signal may have come in the middle of one.
            with suppress(OSError):
                os.write(2, f"{message}\n".encode())

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writing)
        setter.join()
        os.close(reading)


def _set_when_told(stop: threading.Event, reading: int) -> None:
    if os.read(reading, 1):
        stop.set()
