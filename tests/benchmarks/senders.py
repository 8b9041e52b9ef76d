"""Several senders that begin together, each with a connection of its own: how long they take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Send", "Way", "seconds"]

Send = Callable[[bytes], object]
Way = Callable[[], Any]
"""Opens what one sender needs: a context manager that gives its `Send`."""


def seconds(way: Way, data: Sequence[bytes], senders: int) -> float:
    """Send each by one of the senders, who begin together."""
    begin = threading.Barrier(senders + 1)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with way() as send:
                begin.wait()
                for one in data[number::senders]:
                    send(one)
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)
            begin.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(senders)]
    for thread in threads:
        thread.start()
    begin.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begun
