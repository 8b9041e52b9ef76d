"""What the tests of a server's plugin inherit: a frozen writer does not block others. Needs dicom-common-testing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

from dicom_common.core import AddStatus, Level, Query, UnavailableError
from dicom_common.db.sql._database import SqlDatabase
from dicom_common.testing import make_entry, make_instance

__all__ = ["FrozenWriterContract"]

Open = Callable[[], SqlDatabase]
_GUARD = 60
"""Seconds after which what hangs fails the test."""


class FrozenWriterContract:
    """A process that is stopped in the middle of a transaction, as by a debugger or a machine that sleeps.

    The test file gives a fixture `open_limited`: what opens an empty index with a `lock_timeout` of a few seconds. It
    is called in a process of its own, too, so it has to be picklable.
    """

    def test_a_writer_that_freezes_does_not_hold_up_others_and_goes_on_when_it_thaws(self, open_limited: Open) -> None:
        context = multiprocessing.get_context("spawn")
        frozen, result = context.Event(), context.SimpleQueue()
        process = context.Process(target=_freeze_in_an_add, args=(open_limited, frozen, result))
        with closing(open_limited()) as database:
            process.start()
            assert process.pid is not None
            try:
                assert frozen.wait(_GUARD)
                assert database.add([make_entry(make_instance(2))])[0].status is AddStatus.ADDED
            finally:
                end = time.monotonic() + _GUARD
                while not frozen.is_set() and process.exitcode is None and time.monotonic() < end:
                    time.sleep(0.02)
                os.kill(process.pid, signal.SIGCONT)
            process.join(_GUARD)
            assert result.get() == (2, AddStatus.ADDED)
            (study,) = database.find(Query(tenant="local", level=Level.STUDY))
            assert study["NumberOfStudyRelatedInstances"] == 2
            assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 2


def _freeze_in_an_add(open_limited: Open, frozen: Any, result: Any) -> None:
    """Add an instance, and stand still in the middle of the transaction; run in a process of its own."""
    turns = 0

    def stand_still(_: Any) -> list[Any]:
        nonlocal turns
        turns += 1
        if turns == 1:
            frozen.set()
            os.kill(os.getpid(), signal.SIGSTOP)
        return []

    status = None
    with closing(open_limited()) as database:
        while status is None:
            with suppress(UnavailableError):  # where it was about to commit, only the caller can begin again
                status = database.add([make_entry(make_instance(1))], events=stand_still)[0].status
    result.put((turns, status))
