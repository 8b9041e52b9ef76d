from __future__ import annotations

from functools import partial

import pytest

from dicom_common.broker.kafka import KafkaBroker, Settings
from dicom_common.testing import BrokerContract, Endpoint


@pytest.mark.service("kafka")
class TestKafkaBroker(BrokerContract):
    @pytest.fixture
    def open_broker(self, service_endpoint: Endpoint) -> partial[KafkaBroker]:
        # Three partitions: each is a file of the server, and a test makes a topic or two.
        return partial(KafkaBroker, Settings(servers=(str(service_endpoint),), partitions=3, session_timeout=6))
