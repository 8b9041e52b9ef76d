"""A message broker in one SQLite file: durable topics and consumer groups for the processes of one machine."""

from __future__ import annotations

from dicom_common.broker.sqlite._broker import SqliteBroker
from dicom_common.broker.sqlite._settings import Settings
from dicom_common.core import Backend, Broker, hookimpl

__all__ = ["Settings", "SqliteBroker", "dicom_common_broker"]


@hookimpl
def dicom_common_broker() -> Backend[Broker]:
    """Offer the broker `sqlite`."""
    return Backend("sqlite", Settings, SqliteBroker)
