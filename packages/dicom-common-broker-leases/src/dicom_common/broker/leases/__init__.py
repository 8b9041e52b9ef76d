"""Consumer groups for brokers that have none: partitions, leases, fencing and offsets over a small durable store.

A broker writes a `GroupStore`; `join` makes a `Consumer` of it, `backlog` and `forget` answer for its groups.
"""

from __future__ import annotations

from dicom_common.broker.leases._consumer import GroupConsumer
from dicom_common.broker.leases._groups import backlog, forget, import_position, join, lowest_position
from dicom_common.broker.leases._store import (
    Bounds,
    Change,
    Fetched,
    GroupStore,
    Partition,
    Record,
    Version,
    partition_of,
)

__all__ = [
    "Bounds",
    "Change",
    "Fetched",
    "GroupConsumer",
    "GroupStore",
    "Partition",
    "Record",
    "Version",
    "backlog",
    "forget",
    "import_position",
    "join",
    "lowest_position",
    "partition_of",
]
