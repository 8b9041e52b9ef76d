"""A broker for dicom-common on Redis Streams."""

from __future__ import annotations

from acme_redis_streams._broker import RedisStreamsBroker
from acme_redis_streams._settings import Settings
from dicom_common.core import Backend, Broker, hookimpl

__all__ = ["RedisStreamsBroker", "Settings", "dicom_common_broker"]


@hookimpl
def dicom_common_broker() -> Backend[Broker]:
    """Offer the broker `redis-streams`."""
    return Backend("redis-streams", Settings, RedisStreamsBroker)
