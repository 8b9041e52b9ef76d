"""What waits in the queues of group commit, and who works on it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._results import Result

__all__ = ["Sender", "Stage", "Ticket", "Work"]

Work = Callable[[Sequence[Item]], object]


@dataclass(slots=True, eq=False)
class Ticket:
    """An item in a queue, and who gets its answer: a sender that waits, or a future."""

    item: Item
    sender: Sender | None = None
    future: Future[Result] | None = None
    failure: Exception | None = None
    is_taken: bool = False
    """Whether a thread has it in a group, or had."""
    is_answered: bool = False
    context: Context = field(default_factory=copy_context)
    """That of the thread that brought it, by which a trace knows to what request the work belongs."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.item.candidate.instance.size


@dataclass(slots=True, eq=False)
class Sender:
    """A thread that works on groups: until its own items are answered, or for those who do not wait (`helps`)."""

    helps: bool = False
    tickets: list[Ticket] = field(default_factory=list)
    stage: Stage | None = None
    group: list[Ticket] = field(default_factory=list)
    """What it is working on, in this stage."""
    decided: list[Ticket] = field(default_factory=list)
    """What it has still to conclude and to answer."""
    asleep: threading.Lock = field(default_factory=threading.Lock)
    """Released to wake it. Not an Event: Ctrl-C in the middle of its `wait` raises something else."""

    def __post_init__(self) -> None:
        """Begin asleep."""
        self.asleep.acquire()

    def sleep(self) -> None:
        """Wait until it is woken; once is enough if that was before."""
        self.asleep.acquire()

    def wake_held(self) -> None:
        """Wake it. The mutex keeps others from doing the same."""
        if self.asleep.locked():
            self.asleep.release()

    @property
    def is_busy(self) -> bool:
        """Whether it is working, and looks for more work by itself afterwards."""
        return self.stage is not None or bool(self.decided)

    @property
    def is_answered(self) -> bool:
        """Whether all its tickets are."""
        return all(ticket.is_answered for ticket in self.tickets)


@dataclass(slots=True, eq=False)
class Stage:
    """One of the two things that are done with an item, and what waits for it."""

    work: Work
    limit: int
    """How many groups it may be done with at once."""
    queue: deque[Ticket] = field(default_factory=deque)
    running: int = 0

    @property
    def has_room(self) -> bool:
        """Whether one more group may be taken."""
        return self.running < self.limit
