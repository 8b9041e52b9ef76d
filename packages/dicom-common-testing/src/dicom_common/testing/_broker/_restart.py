"""What a broker that is a server must do when the server dies and comes back."""

from __future__ import annotations

import time
from threading import Event, Thread

import pytest

from dicom_common.core import Broker, Consumer, Delivery, HealthStatus, Message, UnavailableError
from dicom_common.testing._broker._fixtures import BrokerFixtures, bodies, numbered
from dicom_common.testing._contract import missing_fixture
from dicom_common.testing._health import health_of
from dicom_common.testing._restart import KilledServer

__all__ = ["BrokerRestartContract"]


class BrokerRestartContract(BrokerFixtures):
    """For brokers that are servers, beside `BrokerContract`: give two fixtures.

    `killed_server` is the server, which the test may kill, and start again with what it had on disk. `open_broker`
    opens the broker on it, with time limits of a few seconds.
    """

    @pytest.fixture
    def killed_server(self) -> KilledServer:
        """Give the server."""
        server: KilledServer = missing_fixture("killed_server", "an object with the methods kill() and start()")
        return server

    @pytest.mark.kills
    def test_messages_and_what_groups_acknowledged_survive_the_server(
        self, broker: Broker, case_topic: str, killed_server: KilledServer
    ) -> None:
        broker.publish(case_topic, numbered(100))
        with broker.consume([case_topic], "readers") as consumer:
            first = self.gather(consumer, 40)
        before = {(each.partition, each.offset): each.message.body for each in first}
        killed_server.kill()
        killed_server.start()
        with broker.consume([case_topic], "readers") as consumer:
            rest = self._gather_in_spite(consumer, 60)
            consumer.acknowledge(rest)
        assert {(each.partition, each.offset) for each in rest}.isdisjoint(before)
        self.assert_order([(each.message.key, each.message.body) for each in first + rest], range(100))
        with broker.consume([case_topic], "others") as consumer:
            places = {(each.partition, each.offset): each.message.body for each in self.gather(consumer, 100)}
        assert before.items() <= places.items(), "a message has another place now"

    @pytest.mark.kills
    def test_while_the_server_is_away_it_says_so_and_afterwards_publishing_goes_on(
        self, broker: Broker, case_topic: str, killed_server: KilledServer
    ) -> None:
        broker.publish(case_topic, numbered(10))
        killed_server.kill()
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            broker.publish(case_topic, numbered(1, prefix="refused"))
        assert time.monotonic() - started <= self.time_limit, "publish took longer than `time_limit`"
        started = time.monotonic()
        assert health_of(broker).status is HealthStatus.FAILED
        assert time.monotonic() - started <= self.time_limit, "check took longer than `time_limit`"
        killed_server.start()
        self._publish_in_spite(broker, case_topic, [Message(key="k0", body=b"10")])
        with broker.consume([case_topic], "readers") as consumer:
            received = self._gather_in_spite(consumer, 11)
        # What was refused may have arrived all the same.
        kept = [each for each in received if not each.message.key.startswith("refused")]
        assert {int(body) for body in bodies(kept)} >= set(range(10))

    @pytest.mark.kills
    def test_order_holds_for_each_key_over_kills_of_the_server_while_it_is_published(
        self, broker: Broker, case_topic: str, killed_server: KilledServer
    ) -> None:
        done, stop = 0, Event()

        def publish() -> None:
            nonlocal done
            while not stop.is_set():
                batch = [Message(key=f"k{n % 5}", body=b"%d" % n) for n in range(done, done + 10)]
                self._publish_in_spite(broker, case_topic, batch)
                done += 10

        publisher = Thread(target=publish)
        publisher.start()
        try:
            for _ in range(2):
                time.sleep(0.5)
                killed_server.kill()
                killed_server.start()
            time.sleep(0.5)
        finally:
            stop.set()
            publisher.join(2 * self.patience)
        assert not publisher.is_alive(), "publishing hangs"
        with broker.consume([case_topic], "readers") as consumer:
            received = self._gather_in_spite(consumer, broker.backlog(case_topic, "readers"))
        # Again is allowed, behind is not: the first occurrences are in order, and none is missing.
        first = dict.fromkeys((each.message.key, each.message.body) for each in received)
        self.assert_order(list(first), range(done))

    def _publish_in_spite(self, broker: Broker, topic: str, messages: list[Message]) -> None:
        end = time.monotonic() + self.patience
        while True:
            try:
                return broker.publish(topic, messages)
            except UnavailableError:
                assert time.monotonic() < end, "publishing does not go on"
                time.sleep(0.1)

    def _gather_in_spite(self, consumer: Consumer, count: int) -> list[Delivery]:
        received: list[Delivery] = []
        end = time.monotonic() + self.patience
        while len(received) < count:
            assert time.monotonic() < end, f"{len(received)} of {count} messages arrived"
            try:
                received += consumer.receive(100, timeout=1)
            except UnavailableError:
                time.sleep(0.1)
        return received
