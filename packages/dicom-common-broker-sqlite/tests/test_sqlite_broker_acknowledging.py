"""Acknowledgements: of what was never published, and one by one out of order."""

from __future__ import annotations

import pytest
from broker_messages import messages, take

from dicom_common.broker.sqlite import SqliteBroker
from dicom_common.core import Delivery


def test_acknowledging_what_was_never_published_is_refused(broker: SqliteBroker) -> None:
    broker.publish("t", messages(1))
    with broker.consume(["t"], "g") as consumer:
        [delivery] = take(consumer, 1)
        for change in ({"offset": delivery.offset + 1}, {"partition": 99}, {"topic": "other"}, {"offset": -1}):
            values = {"topic": delivery.topic, "partition": delivery.partition, "offset": delivery.offset, **change}
            with pytest.raises(ValueError, match="acknowledged"):
                consumer.acknowledge([Delivery(message=delivery.message, **values)])  # type: ignore[arg-type]  # of mixed types
    assert broker.backlog("t", "g") == 1


def test_single_acknowledgements_out_of_order_survive_a_close(broker: SqliteBroker) -> None:
    broker.publish("t", messages(80))
    with broker.consume(["t"], "g") as consumer:
        deliveries = take(consumer, 80)
        consumer.acknowledge(deliveries[1::2])
        assert broker.backlog("t", "g") == 40
    with broker.consume(["t"], "g") as consumer:
        again = take(consumer, 40)
        assert {each.message.body for each in again} == {each.message.body for each in deliveries[0::2]}
        assert consumer.receive(1, timeout=0) == []
