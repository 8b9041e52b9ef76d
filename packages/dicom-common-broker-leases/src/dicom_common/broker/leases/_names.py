"""The names of a group's records."""

from __future__ import annotations

from urllib.parse import quote

from dicom_common.broker.leases._store import Partition

__all__ = ["ALL_OFFSETS", "group_word", "members_name", "offsets_name", "partition_prefix"]

ALL_OFFSETS = "offsets/"


def group_word(group: str) -> str:
    """Return the name of a group in the characters that a record's name may have."""
    # quote() leaves ~ as it is; an equals sign takes the place of the percent sign, which some stores refuse.
    return quote(group, safe="").replace("~", "%7E").replace("%", "=")


def members_name(group: str) -> str:
    """Return the name of the record of a group's members."""
    return f"members/{group_word(group)}"


def partition_prefix(partition: Partition) -> str:
    """Return how the names of the offsets of all groups in a partition begin."""
    return f"{ALL_OFFSETS}{partition.topic}/{partition.number}/"


def offsets_name(partition: Partition, group: str) -> str:
    """Return the name of the record of what a group has acknowledged of a partition."""
    return f"{partition_prefix(partition)}{group_word(group)}"
