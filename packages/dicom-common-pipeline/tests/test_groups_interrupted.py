"""Ctrl-C in a thread that works for a group: the others have their answers, and the ingest goes on."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.pipeline import Ingest, Received, Result

LIMIT = 30.0


def received(data: bytes) -> Received:
    return Received(source=data, name="made")


def during(backend: Any, method: str, act: Callable[[], object]) -> None:
    """Let something happen once, in the middle of a call of a backend's method."""
    real = getattr(backend, method)

    def call(*arguments: Any, **named: Any) -> Any:
        setattr(backend, method, real)
        act()
        return real(*arguments, **named)

    setattr(backend, method, call)


@pytest.mark.parametrize(("backend", "method"), [("storage", "write_many"), ("db", "add"), ("db", "stored")])
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_what_interrupts_a_leader_is_raised_there_only(
    site: Site, make: Make, backend: str, method: str, end: type[BaseException]
) -> None:
    services = site.services()
    _ = services.db
    with Ingest(services) as ingest:
        futures: list[Future[Result]] = []

        def act() -> None:
            # They come while the group of this thread is under way, and go with the next one.
            futures.extend(ingest.submit(received(make(number)), tenant="local") for number in (2, 3))
            raise end

        during(getattr(services, backend), method, act)
        with pytest.raises(end):
            ingest.store([received(make(1))], tenant="local")
        assert [future.result(LIMIT).status for future in futures] == ["stored"] * 2
        [again] = ingest.store([received(make(1))], tenant="local")
        assert again.status == "stored"
    site.assert_consistent()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # where a helper takes the group
def test_others_of_an_interrupted_group_are_answered(site: Site, make: Make) -> None:
    services = site.services()
    with Ingest(services) as ingest:
        futures: list[Future[Result]] = []
        done = threading.Event()

        def submit() -> None:
            futures.extend(ingest.submit(received(make(number)), tenant="local") for number in (2, 3))

        def wait() -> None:
            done.set()
            assert release.wait(LIMIT)

        release = threading.Event()
        # A first group holds the writing; behind it wait two futures and, in this thread, a sender who takes all three.
        during(services.storage, "write_many", wait)
        first = threading.Thread(target=ingest.store, args=([received(make(9))],), kwargs={"tenant": "local"})
        first.start()
        assert done.wait(LIMIT)

        def interrupt() -> None:
            raise SystemExit

        submit()
        during(services.storage, "write_many", interrupt)
        timer = threading.Timer(0.2, release.set)
        timer.start()
        # Whoever takes the group meets the exception: a helper ends by it, and a sender raises it.
        with suppress(SystemExit):
            ingest.store([received(make(1))], tenant="local")
        results = [future.result(LIMIT) for future in futures]
        assert {(result.status, result.reason, result.retry) for result in results} <= {
            ("rejected", "interrupted", True),
            ("stored", "", False),
        }
        first.join(LIMIT)
        again = ingest.store([received(make(number)) for number in (1, 2, 3, 9)], tenant="local")
        assert {result.status for result in again} <= {"stored", "duplicate"}
    site.assert_consistent()


class Alarm:
    """Raises what Ctrl-C raises, once at most, within the block that it is set for and never behind it."""

    def __init__(self) -> None:
        self._is_set = False

    def ring(self, *_: object) -> None:
        if self._is_set:
            self._is_set = False
            raise KeyboardInterrupt

    def set(self, seconds: float) -> None:
        self._is_set = True
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def clear(self) -> None:
        self._is_set = False
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def alarms() -> Iterator[Alarm]:
    """Give an alarm of SIGALRM."""
    alarm = Alarm()
    before = signal.signal(signal.SIGALRM, alarm.ring)
    yield alarm
    alarm.clear()
    signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # where it comes in a destructor
def test_an_interrupt_at_any_moment_leaves_no_sender_waiting(site: Site, make: Make) -> None:
    dice = random.Random(20261129)
    with Ingest(site.services()) as ingest, alarms() as alarm:
        results: list[Result] = []

        def send(number: int) -> None:
            for one in range(1, 16):
                data = make(100 * number + one)
                if one % 2:
                    results.extend(ingest.store([received(data)], tenant="local"))
                else:
                    results.append(ingest.submit(received(data), tenant="local").result(LIMIT))

        senders = [threading.Thread(target=send, args=(number,)) for number in range(1, 4)]
        for sender in senders:
            sender.start()
        interrupted, number = 0, 0
        while any(sender.is_alive() for sender in senders) or number < 20:
            number += 1
            try:
                alarm.set(dice.uniform(0.0001, 0.02))
                ingest.store([received(make(1000 + number))], tenant="local")
                alarm.clear()
            except KeyboardInterrupt:
                interrupted += 1
        for sender in senders:
            sender.join(LIMIT)
            assert not sender.is_alive()
    assert interrupted
    assert len(results) == 45
    for result in results:
        assert result.status == "stored" or (result.reason, result.retry) == ("interrupted", True)
    acknowledged = {result.key for result in results if result.status == "stored"}
    assert acknowledged <= {row.key for row in site.rows}
