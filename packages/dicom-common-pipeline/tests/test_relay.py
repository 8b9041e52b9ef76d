"""From the outbox to the broker: at least once, each key in its order, whatever fails in between."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from typing import Any, ClassVar

import pytest
from pipeline_site import Make, Site

from dicom_common.core import BackendError, Delivery, Message, PublishError, TooLargeError, UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import Relay

IMAGE = "dicom_image_queue"


def consumed(services: Services, topic: str = IMAGE) -> list[Delivery]:
    deliveries: list[Delivery] = []
    with services.broker.consume([topic], "look") as consumer:
        while more := consumer.receive(1000, timeout=0.3):
            deliveries += more
    return deliveries


def instance_numbers(deliveries: Sequence[Delivery]) -> dict[str, list[int]]:
    """The instance numbers of each series, in the order in which they were first delivered."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for delivery in deliveries:
        number = json.loads(delivery.message.body)["instance_number"]
        if number not in numbers[delivery.message.key]:
            numbers[delivery.message.key].append(number)
    return numbers


def take_in(site: Site, make: Make, count: int = 12) -> dict[str, list[int]]:
    """Store instances of three series, in batches, and return what consumers must see of them."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for first in range(1, count + 1, 4):
        batch = []
        for sop in range(first, first + 4):
            series = sop % 3 + 1
            numbers[f"local|2.25.1.1|2.25.1.1.{series}"].append(sop)
            batch.append(make(sop, series=series))
        site.store(*batch)
    return numbers


def test_every_event_is_published_in_the_order_of_its_key(site: Site, make: Make) -> None:
    expected = take_in(site, make)
    services = site.services()
    relay = Relay(services, batch=5)
    published = 0
    while number := relay.run_once():
        published += number
    assert published == 12 + 12 + 9  # three batches, each of three series
    assert services.db.backlog().events == 0
    deliveries = consumed(services)
    assert len(deliveries) == 12
    assert instance_numbers(deliveries) == expected
    assert len({delivery.message.headers["event-id"] for delivery in deliveries}) == 12


def test_drain_says_that_nothing_waits_and_the_next_relay_need_not_wait(site: Site, make: Make) -> None:
    for number in range(1, 4):
        site.store(make(number))
        with Services(site.config()) as services:  # as a command that is called again and again
            assert Relay(services).drain(10) == 0
            assert services.db.pending(1, relay="another", lease=0) == []
    with Services(site.config()) as services:
        assert len(consumed(services)) == 3


def test_a_relay_without_time_says_what_waits(site: Site, make: Make) -> None:
    site.store(make())
    assert Relay(site.services()).drain(0) == 3


def test_another_relay_has_the_outbox_and_this_one_waits(site: Site, make: Make) -> None:
    site.store(make())
    services = site.services()
    assert services.db.pending(1, relay="another", lease=60)
    relay = Relay(services)
    assert relay.run_once() == 0
    assert services.db.pending(0, relay="another", lease=0) == []  # gives it back
    assert relay.run_once() == 3


def test_who_waits_for_another_relay_does_not_count_the_outbox_all_the_time(site: Site, make: Make) -> None:
    class Stop(threading.Event):
        waited: ClassVar[list[float | None]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waited.append(timeout)
            self.set()
            return True

    services = site.services()
    Relay(services).run(Stop())
    site.store(make())
    assert services.db.pending(1, relay="another", lease=60)
    Relay(services, lease=30).run(Stop())
    idle, other = Stop.waited
    assert idle is not None
    assert other is not None
    assert other > 4 * idle


def test_two_relays_publish_everything_in_order(site: Site, make: Make) -> None:
    expected = take_in(site, make, 24)
    stop = threading.Event()
    threads = []
    for _ in range(2):
        relay = Relay(site.services(), batch=3)
        threads.append(threading.Thread(target=relay.run, args=(stop,)))
        threads[-1].start()
    services = site.services()
    for _ in range(2400):
        if not services.db.backlog().events:
            break
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert services.db.backlog().events == 0
    assert instance_numbers(consumed(services)) == expected


_KILLED = """
import os, signal, sys
from dicom_common.host import Config, Services
from dicom_common.pipeline import Relay
services = Services(Config.load(overrides={"data": sys.argv[1]}, variables={}))
target, name = (services.broker, "publish") if sys.argv[2] == "publish" else (services.db, "published")
real, turns = getattr(target, name), int(sys.argv[3])
def dying(*arguments):
    global turns
    turns -= 1
    if turns < 0:
        if sys.argv[2] == "publish": real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments)
setattr(target, name, dying)
relay = Relay(services, batch=7)
while relay.run_once(): pass
"""


@pytest.mark.kills
@pytest.mark.parametrize(("step", "turns"), [("publish", 0), ("publish", 4), ("published", 0), ("published", 2)])
def test_a_relay_that_is_killed_loses_nothing_and_keeps_the_order(
    site: Site, make: Make, step: str, turns: int
) -> None:
    expected = take_in(site, make)
    command = [sys.executable, "-c", _KILLED, str(site.data), step, str(turns)]
    done = subprocess.run(command, timeout=60, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    services = site.services()
    # Its lease is not over: this is what a relay that comes later finds, half a minute on.
    _end_lease(site)
    assert Relay(services).drain(10) == 0
    assert instance_numbers(consumed(services)) == expected
    states = consumed(services, "dicom_state_queue")
    assert {delivery.message.key for delivery in states} == set(expected)


def _end_lease(site: Site) -> None:
    with closing(sqlite3.connect(site.data / "index.sqlite")) as database:
        database.execute("UPDATE outbox_lease SET until = 0")
        database.commit()


def test_a_broker_that_is_unusable_delays_events_and_loses_none(site: Site, make: Make) -> None:
    expected = take_in(site, make)
    file = site.data / "events.sqlite"
    for path in site.data.glob("events.sqlite*"):
        path.unlink()
    file.mkdir()
    with pytest.raises(BackendError):
        Relay(site.services()).run_once()
    assert site.store(make(50))[0].status == "stored"  # the ingest does not need the broker
    expected["local|2.25.1.1|2.25.1.1.1"].append(50)
    services = site.services()
    waiting = services.db.backlog().events
    shutil.rmtree(file)
    assert waiting == (12 + 12 + 9) + 3
    assert Relay(services).drain(10) == 0
    assert instance_numbers(consumed(services)) == expected


def test_a_running_relay_goes_on_when_the_broker_is_back(site: Site, make: Make) -> None:
    file = site.data / "events.sqlite"
    site.store(make())
    file.mkdir()
    services = site.services()
    stop = threading.Event()
    thread = threading.Thread(target=Relay(services).run, args=(stop,))
    thread.start()
    stop.wait(0.7)
    assert thread.is_alive()
    assert services.db.backlog().events == 3
    file.rmdir()
    for _ in range(2400):
        if not services.db.backlog().events:
            break
        stop.wait(0.05)
    stop.set()
    thread.join()
    assert services.db.backlog().events == 0
    assert len(consumed(services)) == 1


def test_a_topic_that_is_refused_holds_up_no_other(site: Site, make: Make) -> None:
    site.store(make(), topics__image="a topic / that no broker takes")
    services = site.services()
    with pytest.raises(BackendError, match="that no broker takes"):
        Relay(services).run_once()
    left: list[Any] = services.db.pending(10, relay="look", lease=0)
    assert [event.topic for event in left] == ["a topic / that no broker takes"]
    assert len(consumed(services, "log_queue")) == len(consumed(services, "dicom_state_queue")) == 1


class TakesSome:
    """A broker that goes on to the real one, but for the messages of some positions of the first publish to a topic."""

    def __init__(self, real: Any, topic: str, failed: tuple[int, ...]) -> None:
        self._real, self._topic, self._failed = real, topic, failed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if topic != self._topic or not self._failed:
            self._real.publish(topic, messages)
            return
        failed, self._failed = self._failed, ()
        self._real.publish(topic, [message for number, message in enumerate(messages) if number not in failed])
        raise PublishError("not all messages are durable", failed) from UnavailableError("the broker went away")


def test_what_stands_behind_a_failed_event_of_its_key_is_published_again_behind_it(site: Site, make: Make) -> None:
    expected = take_in(site, make)
    services = site.services()
    waiting = [event for event in services.db.pending(100, relay="look", lease=0) if event.topic == IMAGE]
    held = [event.id for event in waiting if event.key == waiting[1].key]
    services._opened["broker"] = TakesSome(services.broker, IMAGE, failed=(1,))
    relay = Relay(services)
    relay.run_once()
    left = services.db.pending(100, relay="look", lease=0)
    assert [event.id for event in left] == held
    assert relay.run_once() == len(held) == 4
    deliveries = consumed(services)
    assert len(deliveries) == 12 + 3
    last = list({delivery.message.headers["event-id"]: delivery for delivery in reversed(deliveries)}.values())[::-1]
    assert instance_numbers(last) == expected


def test_a_topic_that_the_broker_does_not_take_now_holds_up_no_other(site: Site, make: Make) -> None:
    site.store(make())
    services = site.services()
    services._opened["broker"] = TakesSome(services.broker, IMAGE, failed=(0,))
    with pytest.raises(BackendError, match="not all messages are durable"):
        Relay(services).run_once()
    assert [event.topic for event in services.db.pending(10, relay="look", lease=0)] == [IMAGE]
    assert len(consumed(services, "log_queue")) == len(consumed(services, "dicom_state_queue")) == 1


class TakesSingly:
    """A broker that goes on to the real one, but finds a batch of image events too large, and fails at some of them."""

    def __init__(self, real: Any, *, fails_at: int = 0) -> None:
        self._real, self._fails_at = real, fails_at
        self._number = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        if topic == IMAGE and len(messages) > 1:
            raise TooLargeError("one of them is too large")
        if topic == IMAGE:
            self._number += 1
            if self._number == self._fails_at:
                raise UnavailableError("the broker went away")
        self._real.publish(topic, messages)


def test_an_outage_amid_single_events_buries_nothing_and_keeps_the_order(site: Site, make: Make) -> None:
    site.store(*(make(number) for number in range(1, 5)))
    services = site.services()
    services._opened["broker"] = TakesSingly(services.broker, fails_at=2)
    Relay(services).run_once()
    left = services.db.pending(10, relay="look", lease=0)
    assert [json.loads(event.body)["instance_number"] for event in left] == [2, 3, 4]
    assert instance_numbers(consumed(services)) == {"local|2.25.1.1|2.25.1.1.1": [1]}
    assert not consumed(services, f"{IMAGE}.dead")


def test_single_events_do_not_take_longer_than_the_lease(site: Site, make: Make) -> None:
    site.store(*(make(number) for number in range(1, 5)))
    services = site.services()
    services._opened["broker"] = TakesSingly(services.broker)
    Relay(services, lease=0).run_once()
    assert len(site.events(IMAGE)) == 3


def test_a_relay_asks_a_broker_that_is_away_less_and_less_often(site: Site, make: Make) -> None:
    class Stop(threading.Event):
        waited: ClassVar[list[float | None]] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waited.append(timeout)
            if len(self.waited) == 10:
                self.set()
            return self.is_set()

    site.store(make())
    (site.data / "events.sqlite").mkdir()
    Relay(site.services()).run(Stop())
    pauses = [pause for pause in Stop.waited if pause is not None]
    assert len(pauses) == 10
    assert all(later == min(earlier * 2, 30) for earlier, later in itertools.pairwise(pauses))
    assert pauses[-1] == 30
