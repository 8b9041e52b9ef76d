"""What a broker must do with messages and topics."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from dicom_common.core import Broker, Groups, Message
from dicom_common.testing._broker._fixtures import BrokerFixtures, bodies, numbered
from dicom_common.testing._contract import ability

__all__ = ["BrokerMessages"]

INVALID_TOPICS = ("", "a b", "ä", "a/b", "a\0", "t" * 250, "a\n")


class BrokerMessages(BrokerFixtures):
    """The part of `BrokerContract` with one publisher and one consumer."""

    # One publisher, one consumer

    def test_a_message_arrives_as_it_was_published(self, broker: Broker, case_topic: str) -> None:
        messages = [
            Message(key="tenant|1.2.3|4.5.6", body=b'{"a": 1}', headers={"event-id": "1", "note": "žluťoučký 患者"}),
            Message(key="", body=b""),
            Message(key="ключ\U0001f600 \t'\"%", body=bytes(range(256)) * 10),
            Message(key="k" * 500, body=b"x" * 900_000, headers={f"h{n}": "v" * 100 for n in range(20)}),
        ]
        broker.publish(case_topic, messages)
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 4)
        by_key = {delivery.message.key: delivery.message for delivery in received}
        for message in messages:
            other = by_key[message.key]
            assert (other.body, dict(other.headers)) == (message.body, dict(message.headers))
        assert {delivery.topic for delivery in received} == {case_topic}

    def test_a_message_has_one_place_for_ever(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(50))
        places = []
        for group in ("one", "two"):
            with broker.consume([case_topic], group) as consumer:
                received = self.gather(consumer, 50)
            places.append({(each.topic, each.partition, each.offset): each.message.body for each in received})
        assert places[0] == places[1]
        assert len(places[0]) == 50

    def test_messages_of_a_key_keep_their_order(self, broker: Broker, case_topic: str) -> None:
        for start in range(0, 300, 30):
            broker.publish(case_topic, numbered(300)[start : start + 30])
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 300, batch=17)
        self.assert_order([(each.message.key, each.message.body) for each in received], range(300))

    def test_equal_messages_are_delivered_as_often_as_they_were_published(
        self, broker: Broker, case_topic: str
    ) -> None:
        for _ in range(2):
            broker.publish(case_topic, [Message(key="k", body=b"equal")] * 3)
        assert broker.backlog(case_topic, "readers") == 6
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, 6)
        assert len({(each.partition, each.offset) for each in received}) == 6

    def test_nothing_published_is_nothing(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, [])
        assert broker.backlog(case_topic, "readers") == 0
        with broker.consume([case_topic], "readers") as consumer:
            assert consumer.receive(10, timeout=0) == []
            assert consumer.receive(10, timeout=0.2) == []
            consumer.acknowledge([])

    def test_a_consumer_that_waits_is_woken_by_a_message(self, broker: Broker, case_topic: str) -> None:
        def publish_later() -> None:
            time.sleep(0.3)
            broker.publish(case_topic, numbered(1))

        with broker.consume([case_topic], "readers") as consumer, ThreadPoolExecutor(1) as pool:
            consumer.receive(1, timeout=0.1)
            publishing = pool.submit(publish_later)
            started = time.monotonic()
            received = consumer.receive(10, timeout=self.patience)
            publishing.result()
            assert bodies(received) == [b"0"]
            assert time.monotonic() - started < self.patience / 2

    def test_a_large_batch_arrives_whole(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(self.many, keys=100))
        assert broker.backlog(case_topic, "readers") == self.many
        with broker.consume([case_topic], "readers") as consumer:
            received = self.gather(consumer, self.many, batch=1000)
        self.assert_order([(each.message.key, each.message.body) for each in received], range(self.many))
        assert broker.backlog(case_topic, "readers") == 0

    @pytest.mark.parametrize("case_max_messages", [1, 3, 100])
    def test_a_batch_is_never_larger_than_asked_for(
        self, broker: Broker, case_topic: str, case_max_messages: int
    ) -> None:
        broker.publish(case_topic, numbered(50))
        with broker.consume([case_topic], "readers") as consumer:
            self.gather(consumer, 50, batch=case_max_messages)

    @pytest.mark.parametrize(("case_max_messages", "case_timeout"), [(0, 1.0), (-1, 1.0), (1, -1.0)])
    def test_a_senseless_receive_is_refused(
        self, broker: Broker, case_topic: str, case_max_messages: int, case_timeout: float
    ) -> None:
        with broker.consume([case_topic], "readers") as consumer, pytest.raises(ValueError, match="receive"):
            consumer.receive(case_max_messages, timeout=case_timeout)

    # Topics

    def test_creating_topics_is_repeatable_and_loses_nothing(self, broker: Broker, case_topic: str) -> None:
        broker.publish(case_topic, numbered(3))
        broker.create_topics([case_topic, f"{case_topic}.other"])
        broker.create_topics([case_topic])
        assert broker.backlog(case_topic, "readers") == 3

    @pytest.mark.parametrize("case_name", INVALID_TOPICS, ids=ascii)
    def test_what_is_no_topic_is_refused(self, broker: Broker, case_name: str) -> None:
        for call in (
            lambda: broker.create_topics([case_name]),
            lambda: broker.publish(case_name, numbered(1)),
            lambda: broker.consume([case_name], "readers"),
            lambda: broker.backlog(case_name, "readers"),
        ):
            with pytest.raises(ValueError, match="topic"):
                call()

    def test_a_consumer_reads_several_topics(self, broker: Broker, case_topic: str) -> None:
        other = f"{case_topic}.other"
        broker.create_topics([other])
        broker.publish(case_topic, numbered(10))
        broker.publish(other, numbered(10, prefix="o"))
        with broker.consume([case_topic, other], "readers") as consumer:
            received = self.gather(consumer, 20)
        assert Counter(each.topic for each in received) == {case_topic: 10, other: 10}

    # Groups

    @ability(Groups)
    def test_a_group_that_is_forgotten_begins_again(self, broker: Broker, case_topic: str) -> None:
        assert isinstance(broker, Groups)
        broker.publish(case_topic, numbered(5))
        for group in ("passing", "staying"):
            with broker.consume([case_topic], group) as consumer:
                consumer.acknowledge(self.gather(consumer, 5))
        broker.forget("passing")
        broker.forget("passing")
        broker.forget("never-was")
        assert broker.backlog(case_topic, "staying") == 0
        with broker.consume([case_topic], "passing") as consumer:
            assert sorted(bodies(self.gather(consumer, 5))) == sorted(each.body for each in numbered(5))
