from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from dicom_common.broker.kafka import KafkaBroker, Settings
from dicom_common.core import Groups, TopicChecks
from dicom_common.testing import BrokerContract, Endpoint


@pytest.mark.service("kafka")
class TestKafkaBroker(BrokerContract):
    abilities = (Groups, TopicChecks)

    @pytest.fixture
    def open_broker(self, service_endpoint: Endpoint) -> partial[KafkaBroker]:
        # Three partitions: each is a file of the server, and a test makes a topic or two.
        return partial(KafkaBroker, Settings(servers=(str(service_endpoint),), partitions=3, session_timeout=6))

    @pytest.fixture
    def open_at(self) -> Callable[[Endpoint], KafkaBroker]:
        return lambda endpoint: KafkaBroker(Settings(servers=(str(endpoint),), timeout=2, connect_timeout=1))
