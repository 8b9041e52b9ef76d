"""Work in a forked child of the test's process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

__all__ = ["FORK", "in_child"]


FORK = multiprocessing.get_context("fork")


def in_child(work: Callable[[], str]) -> str:
    """Run in a forked child, which may drop its rights; return what it says."""
    receiving, sending = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: sending.send(work()))
    process.start()
    sending.close()
    assert receiving.poll(60)
    answer = receiving.recv()
    process.join(60)
    assert isinstance(answer, str)
    return answer
