"""The statuses of the services, with their meanings."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from dicom_common.dimse._status_ranges import category_of
from dicom_common.toolkit import StatementTable

__all__ = ["STATUSES", "statuses"]

STATUSES: Final = (
    ("C-ECHO", 0x0000, "verified"),
    ("C-STORE", 0x0000, 'durable and indexed; for the others see "Storing instances"'),
    ("C-STORE", 0x0117, "Affected SOP Instance UID is not a UID"),
    ("C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET", 0x0122, "the SOP class is not that of the presentation context"),
    ("C-STORE", 0xC001, "there is no data set"),
    ("C-FIND", 0x0000, "all matches were sent"),
    ("C-FIND", 0xFF00, "a match, with all keys that were asked for"),
    ("C-FIND", 0xFF01, "a match; an optional key is not supported"),
    ("C-FIND", 0xFE00, "cancelled"),
    ("C-FIND", 0xA700, "the limit of matches is reached, or a backend is down"),
    ("C-FIND", 0xA900, "the identifier does not match the SOP class: level, unique keys of the levels above"),
    ("C-FIND", 0xC000, "the identifier cannot be understood"),
    ("C-MOVE, C-GET", 0x0000, "all sub-operations succeeded"),
    ("C-MOVE, C-GET", 0xFF00, "sub-operations go on"),
    ("C-MOVE, C-GET", 0xFE00, "cancelled"),
    ("C-MOVE, C-GET", 0xB000, "some sub-operations failed, or had a warning"),
    ("C-MOVE, C-GET", 0xA701, "there are too many matches, or they cannot be counted: a backend is down"),
    ("C-MOVE, C-GET", 0xA702, "no sub-operation succeeded"),
    ("C-MOVE", 0xA801, "the destination is not in the configuration"),
    ("C-MOVE, C-GET", 0xA900, "the identifier does not match the SOP class; a unique key is absent, empty or `*`"),
    ("C-MOVE, C-GET", 0xC000, "the identifier cannot be understood"),
    ("N-ACTION", 0x0000, "the request is remembered, and a report follows"),
    ("N-ACTION", 0x0112, "the SOP instance is not the well-known one"),
    ("N-ACTION", 0x0115, "an attribute has a value that it cannot have"),
    ("N-ACTION", 0x0118, "the SOP class is not that of the presentation context"),
    ("N-ACTION", 0x0120, "Transaction UID or Referenced SOP Sequence is absent"),
    ("N-ACTION", 0x0121, "Transaction UID or Referenced SOP Sequence is empty"),
    ("N-ACTION", 0x0123, "the action type is not 1"),
    ("N-ACTION", 0x0131, "the Transaction UID is known from another request"),
    ("N-ACTION", 0x0213, "more instances than are taken in one request"),
    ("N-EVENT-REPORT, as Failure Reason", 0x0110, "the stored bytes are not those that were indexed, or are gone"),
    ("N-EVENT-REPORT, as Failure Reason", 0x0112, "there is no such instance"),
    ("N-EVENT-REPORT, as Failure Reason", 0x0119, "the instance is of another SOP class"),
    ("All", 0x0110, "processing failure"),
    ("All", 0x0124, "the peer is not allowed this service"),
    ("All", 0x0211, "the operation is not one of the SOP class"),
)
"""Operations, status and meaning."""


def statuses(offered: Collection[str]) -> StatementTable:
    """Return the table of statuses.

    Args:
        offered: the names of the operations that there is a service for, such as `C-STORE`.
    """
    rows = tuple(
        (names, f"{code:04X}", category_of(code).value, meaning)
        for names, code, meaning in STATUSES
        if names == "All" or set(names.split(", ")) & {*offered, "N-EVENT-REPORT"}
    )
    return StatementTable(title="Statuses", columns=("Operation", "Status", "Category", "Meaning"), rows=rows)
