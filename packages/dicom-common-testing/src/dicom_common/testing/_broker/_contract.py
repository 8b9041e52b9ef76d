"""What a broker must do."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from dicom_common.core import BackendError, Broker, Groups, HealthStatus, Message, TopicChecks
from dicom_common.testing._broker import _children as children
from dicom_common.testing._broker._fixtures import bodies, numbered
from dicom_common.testing._broker._messages import BrokerMessages
from dicom_common.testing._contract import ServedContract, across_processes
from dicom_common.testing._health import health_of
from dicom_common.testing._processes import child, run_children

__all__ = ["BrokerContract"]


class BrokerContract(BrokerMessages, ServedContract):
    """Inherit from it in a class whose name starts with `Test`, and give two fixtures.

    `broker` is an open broker. `open_broker` is a callable without arguments that opens the same broker once more, also
    in another process: build it of installed code (`functools.partial(SqliteBroker, settings)`). Where a setting says
    after which time a crashed member's work goes to others, set it to a few seconds.
    """

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "publish": lambda broker: broker.publish("test", numbered(1)),
        "consume": lambda broker: broker.consume(["test"], "readers").receive(1, timeout=0.1),
        "backlog": lambda broker: broker.backlog("test", "readers"),
        "create_topics": lambda broker: broker.create_topics(["test"]),
    }

    def test_it_offers_the_abilities_that_are_declared(self, broker: Broker) -> None:
        self.assert_declared(broker, (Groups, TopicChecks))

    # Groups

    def test_two_groups_both_get_everything(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(40))
        with broker.consume([case_topic], "one") as one, broker.consume([case_topic], "two") as two:
            first = self.gather(one, 40)
            assert broker.backlog(case_topic, "one") == 0
            assert broker.backlog(case_topic, "two") == 40
            second = self.gather(two, 40)
        assert sorted(bodies(first)) == sorted(bodies(second))

    def test_a_new_group_begins_at_the_first_message_or_at_the_next(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(10))
        with (
            broker.consume([case_topic], "all") as everything,
            broker.consume([case_topic], "new", from_start=False) as new,
        ):
            new.receive(1, timeout=0)
            assert broker.backlog(case_topic, "new") == 0
            broker.publish(case_topic, [Message(key="late", body=b"late")])
            assert bodies(self.gather(new, 1)) == [b"late"]
            assert new.receive(10, timeout=0.3) == []
            assert len(self.gather(everything, 11)) == 11

    def test_a_group_that_is_known_goes_on_where_it_was(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(10))
        with broker.consume([case_topic], "readers") as consumer:
            self.gather(consumer, 10)
        broker.publish(case_topic, [Message(key="k", body=b"new")])
        for from_start in (True, False):  # only a new group is asked
            with broker.consume([case_topic], "readers", from_start=from_start) as consumer:
                assert bodies(self.gather(consumer, 1, acknowledge=not from_start)) == [b"new"]

    def test_backlog_counts_what_is_not_acknowledged(self, broker: Broker, case_topic: str) -> None:
        assert broker.backlog(case_topic, "readers") == 0
        broker.publish(case_topic, numbered(20))
        assert broker.backlog(case_topic, "readers") == 20
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 20, acknowledge=False)
            assert broker.backlog(case_topic, "readers") == 20
            consumer.acknowledge(received[:5])
            consumer.acknowledge(received[:5])
            assert broker.backlog(case_topic, "readers") == 15
            consumer.acknowledge(received)
            assert broker.backlog(case_topic, "readers") == 0

    # Acknowledgement and redelivery

    def test_what_is_not_acknowledged_is_not_delivered_again_to_the_same_consumer(
        self, broker: Broker, case_topic: str
    ) -> None:
        broker.publish(case_topic, numbered(30))
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 30, acknowledge=False)
            assert len(set(bodies(received))) == 30
            assert consumer.receive(10, timeout=0.5) == []
            broker.publish(case_topic, [Message(key="k", body=b"more")])
            assert bodies(self.gather(consumer, 1, acknowledge=False)) == [b"more"]

    def test_what_is_not_acknowledged_comes_again_after_close(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(30))
        with broker.consume([case_topic], "readers") as consumer:
            first = self.gather(consumer, 30, acknowledge=False)
            consumer.acknowledge(first[:12])
        with broker.consume([case_topic], "readers") as consumer:
            again = self.gather(consumer, 18)
            assert consumer.receive(10, timeout=0.3) == []
        assert sorted(bodies(again)) == sorted(bodies(first[12:]))
        for key in {each.message.key for each in again}:
            numbers = [int(each.message.body) for each in again if each.message.key == key]
            assert numbers == sorted(numbers), "what comes again is out of order"
        places = {(each.partition, each.offset): each.message.body for each in first}
        assert all(places[each.partition, each.offset] == each.message.body for each in again)

    def test_acknowledging_in_any_order_loses_nothing(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(40))
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 40, acknowledge=False)
            shuffled = random.Random(3).sample(received, 40)
            for delivery in shuffled[:39]:
                consumer.acknowledge([delivery])
            assert broker.backlog(case_topic, "readers") >= 1
        with broker.consume([case_topic], "readers") as consumer:
            # At least the one that is missing; a broker may know only up to where all is acknowledged.
            again = bodies(self.gather(consumer, broker.backlog(case_topic, "readers")))
            assert shuffled[39].message.body in again
        assert broker.backlog(case_topic, "readers") == 0

    def test_a_slow_consumer_loses_nothing_and_gets_nothing_twice(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(12))
        received: list[bytes] = []
        with broker.consume([case_topic], "readers") as consumer:
            while len(received) < 24:
                deliveries = consumer.receive(3, timeout=self.patience)
                time.sleep(0.15)  # meanwhile others publish
                if len(received) < 12:
                    numbers = range(12 + len(received), 12 + len(received) + len(deliveries))
                    broker.publish(case_topic, [Message(key="slow", body=b"%d" % n) for n in numbers])
                consumer.acknowledge(deliveries)
                received += bodies(deliveries)
        assert len(received) == len(set(received))

    # Members

    @across_processes
    def test_two_members_share_the_work_and_lose_nothing(
        self, broker: Broker, open_broker: Callable[[], Broker], case_topic: str, tmp_path: Path
    ) -> None:
        count, meeting = 600, tmp_path / "meeting"
        meeting.mkdir()
        for start in range(0, count, 100):
            broker.publish(case_topic, numbered(count, keys=40)[start : start + 100])
        arguments = (open_broker, case_topic, "readers", meeting, 2)
        shares = run_children(children.consume_until, [arguments] * 2)
        assert broker.backlog(case_topic, "readers") == 0
        received = [int(body) for share in shares for _, body in share]
        assert set(received) == set(range(count))
        assert all(shares), "one member did all the work"
        for share in shares:
            by_key: dict[str, list[int]] = {}
            for key, body in share:
                by_key.setdefault(key, []).append(int(body))
            # Without redelivery each key's messages are in order with each member.
            if len(received) == count:
                assert all(numbers == sorted(numbers) for numbers in by_key.values())

    def test_a_member_that_leaves_hands_its_work_to_the_others(self, broker: Broker, case_topic: str) -> None:
        with broker.consume([case_topic], "readers") as staying:
            leaving = broker.consume([case_topic], "readers")
            broker.publish(case_topic, numbered(60, keys=30))
            received = staying.receive(10, timeout=1)
            unacknowledged = leaving.receive(10, timeout=1)
            leaving.close()
            staying.acknowledge(received)
            seen = bodies(received)
            while broker.backlog(case_topic, "readers"):
                deliveries = self.gather(staying, 1, batch=10)
                seen += bodies(deliveries)
        assert sorted(set(seen), key=int) == [b"%d" % number for number in range(60)]
        assert set(bodies(unacknowledged)) <= set(seen)

    def test_what_a_living_member_holds_goes_to_no_other(self, broker: Broker, case_topic: str) -> None:
        holding, stop = Event(), Event()
        received: tuple[list[Message], list[Message]] = ([], [])

        def work(mine: list[Message]) -> None:
            with broker.consume([case_topic], "readers") as member:
                while not stop.is_set():
                    deliveries = member.receive(20, timeout=0.1)  # each call is a sign of life: nothing is redelivered
                    if not holding.is_set():
                        member.acknowledge(deliveries)
                    mine.extend(delivery.message for delivery in deliveries)

        def held() -> list[bytes]:
            return [message.body for mine in received for message in mine if message.key.startswith("held")]

        # In a thread each: while a broker shares out a group's work, it may wait until all members have asked for some.
        with ThreadPoolExecutor(2) as pool:
            members = [pool.submit(work, mine) for mine in received]
            try:
                self._share(broker, case_topic, received)
                holding.set()
                broker.publish(case_topic, numbered(60, keys=30, prefix="held"))
                end = time.monotonic() + self.patience
                while len(held()) < 60:
                    assert time.monotonic() < end, f"{len(held())} of 60 messages arrived"
                    time.sleep(0.05)
                time.sleep(1)  # what comes a second time would come now
                assert len(held()) == len(set(held())) == 60, "what a member is working on was given to another one"
            finally:
                stop.set()
            for member in members:
                member.result()

    def _share(self, broker: Broker, topic: str, received: tuple[list[Message], list[Message]]) -> None:
        """Wait until both members read: from then on, nothing has a reason to change hands."""
        end, times = time.monotonic() + self.patience, 0
        while times < 2:
            before = [len(mine) for mine in received]
            broker.publish(topic, numbered(30, keys=30, prefix="before"))
            while broker.backlog(topic, "readers"):
                assert time.monotonic() < end, "two members of a group do not work off what there is"
                time.sleep(0.05)
            shared = all(len(mine) > count for mine, count in zip(received, before, strict=True))
            times = times + 1 if shared else 0
            assert time.monotonic() < end, "two members of a group do not share its work"

    @across_processes
    @pytest.mark.kills
    def test_what_a_killed_member_held_goes_to_the_others(
        self, broker: Broker, open_broker: Callable[[], Broker], case_topic: str
    ) -> None:
        broker.publish(case_topic, numbered(40))
        with child(children.receive_and_hang, open_broker, case_topic, "readers", 40) as running:
            held = running.report()
            assert len(held) == 40
            running.kill()
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 40)
        assert sorted(bodies(received)) == sorted(held)

    @across_processes
    @pytest.mark.kills
    def test_what_a_member_held_goes_to_the_others_sooner_after_its_close_than_after_its_death(
        self, broker: Broker, open_broker: Callable[[], Broker], case_topic: str
    ) -> None:
        def takeover(topic: str, since: float) -> float:
            with broker.consume([topic], "readers") as consumer:
                self.gather(consumer, 10)
            return time.monotonic() - since

        broker.publish(case_topic, numbered(10))
        with child(children.receive_and_hang, open_broker, case_topic, "readers", 10) as running:
            running.report()
            last_sign = time.monotonic()  # before it dies, however long that takes
            running.kill()
        after_death, after_close = takeover(case_topic, last_sign), []
        for attempt in range(5):  # the best of five: a machine may be busy
            topic = f"{case_topic}.{attempt}"
            broker.publish(topic, numbered(10))
            with broker.consume([topic], "readers") as leaving:
                self.gather(leaving, 10, acknowledge=False)
                last_sign = time.monotonic()
            after_close.append(takeover(topic, last_sign))
        assert min(after_close) < 0.75 * after_death, "a member that closes keeps what it held, as if it had died"

    @across_processes
    @pytest.mark.kills
    def test_members_that_are_killed_under_load_leave_the_order_of_each_key(
        self, broker: Broker, open_broker: Callable[[], Broker], case_topic: str
    ) -> None:
        count, moments = 600, random.Random(7)
        reports: list[tuple[float, list[tuple[str, bytes]]]] = []
        arguments = (children.consume_timed, open_broker, case_topic, "readers")
        with child(*arguments) as staying:
            for round_ in range(self.crash_rounds):
                with child(*arguments) as dying:
                    share = range(count * round_ // self.crash_rounds, count * (round_ + 1) // self.crash_rounds)
                    for start in range(share.start, share.stop, 20):
                        numbers = range(start, start + 20)
                        broker.publish(case_topic, [Message(key=f"k{n % 12}", body=b"%d" % n) for n in numbers])
                        time.sleep(0.02)
                    time.sleep(moments.random())
                    reports += dying.kill()
            end = time.monotonic() + self.patience
            while broker.backlog(case_topic, "readers"):
                assert time.monotonic() < end, "what the killed members held does not come again"
                time.sleep(0.05)
            reports += staying.kill()
        # What comes again is behind its first occurrence; those are in order, whichever member had them.
        received = [message for _, messages in sorted(reports) for message in messages]
        self.assert_order(list(dict.fromkeys(received)), range(count))

    # Crash

    @across_processes
    @pytest.mark.kills
    def test_a_killed_publisher_leaves_all_that_it_was_told_is_durable(
        self, broker: Broker, open_broker: Callable[[], Broker]
    ) -> None:
        moments = random.Random(5)
        for attempt in range(self.crash_rounds):
            topic = f"crash-{uuid4().hex}-{attempt}"
            broker.create_topics([topic])
            with child(children.publish_on, open_broker, topic) as running:
                acknowledged = [running.report()]
                time.sleep(moments.random() / 4)
                acknowledged += running.kill()
            backlog = broker.backlog(topic, "readers")
            assert backlog >= max(acknowledged)
            with broker.consume([topic], "readers") as consumer:
                received = self.gather(consumer, backlog)
            numbers = [(each.message.key, each.message.body.rstrip(b"\0")) for each in received]
            self.assert_order(numbers, range(len(numbers)))
            assert all(len(each.message.body) > 2000 for each in received), "half a message is visible"

    @across_processes
    @pytest.mark.kills
    def test_a_group_resumes_after_its_only_member_was_killed(
        self, broker: Broker, open_broker: Callable[[], Broker], case_topic: str
    ) -> None:
        count = 2000
        broker.publish(case_topic, numbered(count))
        moments = random.Random(6)
        received: set[bytes] = set()
        acknowledged: set[bytes] = set()
        for _ in range(self.crash_rounds):
            with child(children.consume_on, open_broker, case_topic, "readers") as running:
                reports = [running.report()]
                time.sleep(moments.random() / 10)
                for kind, what in reports + running.kill():
                    (acknowledged if kind == "acknowledged" else received).update(what)
        left = broker.backlog(case_topic, "readers")
        with broker.consume([case_topic], "readers") as consumer:
            rest = self.gather(consumer, left)
        again = set(bodies(rest))
        assert not again & acknowledged, "what was acknowledged came again"
        # A member says what it received before it acknowledges: what never came again was reported.
        assert received | again == {b"%d" % number for number in range(count)}

    # Several at once

    @across_processes
    def test_threads_and_processes_publish_at_once_and_lose_nothing(
        self, broker: Broker, open_broker: Callable[[], Broker], case_topic: str
    ) -> None:
        def publish(thread: int) -> None:
            for start in range(0, 100, 20):
                numbers = range(start, start + 20)
                broker.publish(case_topic, [Message(key=f"t{thread}-{n % 10}", body=b"%d" % n) for n in numbers])

        with ThreadPoolExecutor(4) as pool:
            others = pool.submit(
                run_children,
                children.publish_numbers,
                [(open_broker, case_topic, f"p{number}-", 100, 20) for number in range(2)],
            )
            list(pool.map(publish, range(3)))
            assert others.result() == [100, 100]
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 500)
        for publisher in ("t0", "t1", "t2", "p0", "p1"):
            mine = [each for each in received if each.message.key.startswith(publisher)]
            self.assert_order([(each.message.key, each.message.body) for each in mine], range(100))

    # Life

    def test_check_says_that_it_works(self, broker: Broker, case_topic: str) -> None:
        health = health_of(broker)
        assert health.status in (HealthStatus.OK, HealthStatus.DEGRADED)
        assert health.detail
        assert broker.backlog(case_topic, "readers") == 0

    def test_closing_twice_is_closing_once(self, open_broker: Callable[[], Broker], case_topic: str) -> None:
        broker = open_broker()
        consumer = broker.consume([case_topic], "readers")
        assert health_of(broker).status is not HealthStatus.FAILED
        for _ in range(2):
            consumer.close()
            broker.close()
        with pytest.raises(BackendError):
            consumer.receive(1, timeout=0)
        with pytest.raises(BackendError):
            broker.publish(case_topic, numbered(1))
        assert health_of(broker).status is HealthStatus.FAILED
