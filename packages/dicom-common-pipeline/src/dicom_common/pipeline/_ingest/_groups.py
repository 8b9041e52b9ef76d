"""Group commit: what several senders want stored at the same time shares writes, syncs and transactions.

An item goes through two stages: its bytes are written, then it is indexed. Each stage has a queue. A sender whose item
waits in a queue takes everything that waits there as soon as there is room in the stage, as one group, and does the
work in its own thread; those who come meanwhile are the next group, which one of them does. So a lone sender waits for
no timer and for no other thread, and the more senders there are the larger the groups become. While one group is
indexed the next is written.

Items of `submit` have no thread that waits for them: a thread is started where no sender is there to work.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from dicom_common.core import DicomCommonError
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Result
from dicom_common.pipeline._ingest._tickets import Sender, Stage, Ticket, Work

__all__ = ["Groups", "Stages"]

_GROUPS = 3
"""Groups whose items may be unanswered before `submit` blocks: one is written, one is indexed, one waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What is done with a group. Each step answers items by their `result`; those without one go on."""

    write: Work
    writers: int
    """How many groups may be written at once. On a file system one: its syncs are shared best that way."""
    index: Work
    """For one group at a time, in the order in which they were written. It answers every item."""
    conclude: Work
    """Follows up on what was answered, before the senders learn of it and while other groups go on."""


class Groups:
    """Brings items through the stages in groups: of one tenant, distinct, and up to a number and a size. Thread-safe.

    Items with the same SOP Instance UID go one after the other, in the order in which they came. It belongs to one
    process: a forked child makes its own.

    A KeyboardInterrupt may come between any two steps of a sender's thread. What changes together is therefore assigned
    together, without a call in between, and whatever `_withdraw` does may be done twice.

    Args:
        stages: what is done.
        instances: the most items of a group.
        size: the most bytes of a group; a larger item is a group by itself.
    """

    def __init__(self, stages: Stages, *, instances: int, size: int) -> None:
        self._writing, self._indexing = Stage(stages.write, stages.writers), Stage(stages.index, 1)
        self._conclude = stages.conclude
        self._instances, self._size = instances, size
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        self._unanswered: set[Ticket] = set()
        self._in_flight: set[tuple[str, str]] = set()
        self._is_closed = self._helper_is_coming = self._lacks_helper = False

    def store(self, items: Sequence[Item]) -> None:
        """Return when each item has its answer. This thread works for the groups that its items are in.

        Raises:
            DicomCommonError: it is closed.
        """
        # A long list in parts: others do not wait for the end of it.
        for begin in range(0, len(items), _GROUPS * self._instances):
            self._store(items[begin : begin + _GROUPS * self._instances])

    def _store(self, items: Sequence[Item]) -> None:
        sender = Sender()
        sender.tickets = [Ticket(item, sender) for item in items]
        try:
            self._enter(sender.tickets)
            self._work(sender)
            while not sender.is_answered:
                sender.sleep()
                self._work(sender)
        except BaseException:
            self._withdraw(sender)
            raise
        self._help_out()
        # They are each other's: in memory, with the bytes of the instances, until the interpreter looks for garbage.
        tickets, sender.tickets = sender.tickets, []
        for ticket in tickets:
            if ticket.failure is not None:
                raise ticket.failure

    def submit(self, items: Sequence[tuple[Item, Future[Result]]]) -> None:
        """Have items stored by another thread, and their futures answered. Blocks while too much is unanswered.

        Raises:
            DicomCommonError: it is closed.
        """
        self._enter([Ticket(item, future=future) for item, future in items])
        self._help_out()

    def identities(self) -> set[tuple[str, str]]:
        """Return the identities of what is unanswered."""
        with self._mutex:
            return {ticket.item.identity for ticket in self._unanswered}

    def close(self) -> None:
        """Wait until everything that came is answered, and take nothing more."""
        with self._mutex:
            self._is_closed = True
            self._changed.notify_all()
            while self._unanswered:
                self._changed.wait()

    # The methods whose names end in `_held` are called with the mutex held.

    def _enter(self, tickets: Sequence[Ticket]) -> None:
        """Put tickets into the first queue; those without a sender wait for room and wake a thread."""
        with self._mutex:
            has_futures = any(ticket.sender is None for ticket in tickets)
            while has_futures and not self._is_closed and self._is_full_held():
                self._changed.wait()
            if self._is_closed:
                for ticket in tickets:
                    ticket.item.candidate.release()
                raise DicomCommonError("This ingest is closed: make another one.")
            self._unanswered.update(tickets)
            self._writing.queue.extend(tickets)
            if has_futures:
                self._wake_held()

    def _is_full_held(self) -> bool:
        number, size = len(self._unanswered), sum(ticket.size for ticket in self._unanswered)
        return number >= _GROUPS * self._instances or size >= _GROUPS * self._size

    def _work(self, sender: Sender) -> None:
        """Do what there is for this thread to do."""
        while True:
            with self._mutex:
                self._end_held(sender)
                if not sender.decided:  # no answer waits for the work on another group
                    self._take_held(sender)
                self._wake_held()
            if sender.decided:
                self._answer(sender)
            elif sender.stage is None:
                return
            else:
                try:
                    # A trace shows the group below the request that came first.
                    sender.group[0].context.run(sender.stage.work, [ticket.item for ticket in sender.group])
                except Exception as error:  # noqa: BLE001 - a defect: it ends this group only, and its senders raise it
                    for ticket in sender.group:
                        if ticket.item.result is None:
                            ticket.failure = error
                            ticket.item.candidate.release()

    def _take_held(self, sender: Sender) -> None:
        """Give a thread the next group of a stage that has room; what is written is indexed before more is written."""
        if sender.helps:
            self._helper_is_coming = False
        for stage in (self._indexing, self._writing):
            if stage.has_room and (sender.helps or any(ticket.sender is sender for ticket in stage.queue)):
                group, left = self._next_group_held(stage)
                if group:
                    for ticket in group:
                        ticket.is_taken = True
                    sender.stage, sender.group, stage.queue, stage.running = stage, group, left, stage.running + 1
                    self._in_flight.update(ticket.item.identity for ticket in group)
                    return

    def _next_group_held(self, stage: Stage) -> tuple[list[Ticket], deque[Ticket]]:
        """Split the queue of a stage into the next group and what is left."""
        group, left, size = dict[tuple[str, str], Ticket](), deque[Ticket](), 0
        tenant, is_full = "", False
        for ticket in stage.queue:
            is_other = bool(group) and ticket.item.tenant != tenant
            if is_full or is_other or ticket.item.identity in group or not self._may_go_held(stage, ticket):
                left.append(ticket)
            elif group and (len(group) >= self._instances or size + ticket.size > self._size):
                left.append(ticket)
                is_full = True  # nothing overtakes it
            else:
                group[ticket.item.identity] = ticket
                tenant, size = ticket.item.tenant, size + ticket.size
        return list(group.values()), left

    def _may_go_held(self, stage: Stage, ticket: Ticket) -> bool:
        """Tell whether a ticket may go on: not before another one of the same identity is decided."""
        return stage is self._indexing or ticket.item.identity not in self._in_flight

    def _end_held(self, sender: Sender) -> None:
        """End the work on a group: what has no answer goes on to the next stage."""
        stage = sender.stage
        if stage is None:
            return
        going_on, decided = deque(self._indexing.queue), list(sender.decided)
        for ticket in sender.group:
            goes_on = stage is self._writing and ticket.failure is None and ticket.item.result is None
            (going_on if goes_on else decided).append(ticket)
        self._in_flight.difference_update(ticket.item.identity for ticket in decided)
        running = stage.running - 1
        self._indexing.queue, sender.decided, sender.stage, sender.group, stage.running = (
            going_on,
            decided,
            None,
            [],
            running,
        )

    def _wake_held(self) -> None:
        """Where a stage has room, wake a sender whose ticket waits there; for a ticket without one, start a thread."""
        for stage in (self._indexing, self._writing):
            for ticket in stage.queue if stage.has_room else ():
                if not self._may_go_held(stage, ticket):
                    continue
                if ticket.sender is None:
                    self._start_helper_held()
                    break
                if not ticket.sender.is_busy:
                    ticket.sender.wake_held()
                    break

    def _start_helper_held(self) -> None:
        if self._helper_is_coming:
            return
        # Not a daemon: the interpreter waits for what was submitted. It ends when nothing waits, so that there is
        # nothing to stop, and nothing that is missing in a forked child.
        thread = threading.Thread(target=self._help, name="dicom-common-ingest")
        self._helper_is_coming = True
        try:
            thread.start()
        except RuntimeError:  # the system has no thread to give
            self._helper_is_coming, self._lacks_helper = False, True
        except BaseException:
            self._helper_is_coming = False
            raise

    def _help_out(self) -> None:
        """Do the work of a thread that could not be started."""
        if self._lacks_helper:
            self._lacks_helper = False
            self._help()

    def _help(self) -> None:
        """Work for those who do not wait."""
        sender = Sender(helps=True)
        try:
            self._work(sender)
        except BaseException:
            self._withdraw(sender)
            raise

    def _answer(self, sender: Sender) -> None:
        """Conclude what is decided, and answer it."""
        try:
            self._conclude([ticket.item for ticket in sender.decided if ticket.item.result is not None])
        finally:
            error = self._release(sender.decided)
            sender.decided = []
            if error is not None:
                raise error

    def _release(self, tickets: Sequence[Ticket]) -> BaseException | None:
        """Let senders and futures have the answers, and return what the last call of a future raised.

        A future leaves to its caller what is no `Exception`: another future must not go without its answer for that.
        """
        error: BaseException | None = None
        with self._mutex:
            for ticket in tickets:
                ticket.is_answered = True
            self._unanswered.difference_update(tickets)
            for sender in {ticket.sender for ticket in tickets if ticket.sender is not None}:
                if sender.is_answered:
                    sender.wake_held()
            self._changed.notify_all()
        for ticket in tickets:  # a future calls what waits for it: without the mutex
            if ticket.future is not None and not ticket.future.done():
                try:
                    if ticket.item.result is not None:
                        ticket.future.set_result(ticket.item.result)
                    else:
                        ticket.future.set_exception(ticket.failure)
                except BaseException as raised:  # noqa: BLE001 - it is raised when all have their answers
                    error = raised
        return error

    def _withdraw(self, sender: Sender) -> None:
        """Clear up after a thread that was interrupted: no other may be left waiting for it."""
        with self._mutex:
            queued = [ticket for stage in (self._writing, self._indexing) for ticket in stage.queue]
            for ticket in [*sender.group, *(ticket for ticket in queued if ticket.sender is sender)]:
                if ticket.item.result is None:
                    message = "The thread that was storing it was interrupted: send it again."
                    ticket.item.reject(IngestReason.INTERRUPTED, message, retry=True)
            self._end_held(sender)
            writing, indexing = (
                deque(ticket for ticket in stage.queue if ticket.sender is not sender)
                for stage in (self._writing, self._indexing)
            )
            mine = [one for one in sender.tickets if not one.is_answered and (one in queued or not one.is_taken)]
            decided = list(dict.fromkeys((*sender.decided, *mine)))
            self._in_flight.difference_update(ticket.item.identity for ticket in decided)
            self._writing.queue, self._indexing.queue, sender.decided = writing, indexing, decided
            for ticket in sender.tickets:  # what another thread works on goes its way, as what was submitted does
                if not ticket.is_answered and ticket not in decided:
                    ticket.sender = None
            self._wake_held()
        self._answer(sender)
