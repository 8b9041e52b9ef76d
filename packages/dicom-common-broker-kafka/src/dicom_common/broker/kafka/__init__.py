"""Topics in Apache Kafka."""

from __future__ import annotations

from dicom_common.broker.kafka._broker import KafkaBroker
from dicom_common.broker.kafka._settings import Settings
from dicom_common.core import Backend, Broker, hookimpl

__all__ = ["KafkaBroker", "Settings", "dicom_common_broker"]


@hookimpl
def dicom_common_broker() -> Backend[Broker]:
    """Offer the broker `kafka`."""
    return Backend("kafka", Settings, KafkaBroker)
