"""The statuses of the services, with their meanings."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from dicom_common.dimse._status_ranges import category_of
from dicom_common.toolkit import StatementTable

__all__ = ["STATUSES", "statuses"]

STATUSES: Final = (
    ("C-ECHO", 0x0000, "verified"),
    ("C-STORE", 0x0000, 'the instance is durable and indexed; "Storing instances" has the other statuses'),
    ("C-STORE", 0x0117, "Affected SOP Instance UID is not a UID"),
    ("C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET", 0x0122, "the SOP class is not that of the presentation context"),
    ("C-STORE", 0xC001, "the request has no data set"),
    ("C-FIND", 0x0000, "all matches were sent"),
    ("C-FIND", 0xFF00, "a match; all requested keys are supported"),
    ("C-FIND", 0xFF01, "a match; an optional key is not supported"),
    ("C-FIND", 0xFE00, "cancelled"),
    ("C-FIND", 0xA700, "the limit of matches is reached, or a backend is down"),
    ("C-FIND", 0xA900, "the identifier does not match the SOP class: its level, or the unique keys of higher levels"),
    ("C-FIND", 0xC000, "the identifier cannot be processed"),
    ("C-MOVE, C-GET", 0x0000, "all sub-operations succeeded"),
    ("C-MOVE, C-GET", 0xFF00, "sub-operations are continuing"),
    ("C-MOVE, C-GET", 0xFE00, "cancelled"),
    ("C-MOVE, C-GET", 0xB000, "at least one sub-operation failed or had a warning"),
    ("C-MOVE, C-GET", 0xA701, "too many instances match, or they cannot be counted because a backend is down"),
    ("C-MOVE, C-GET", 0xA702, "no sub-operation succeeded"),
    ("C-MOVE", 0xA801, "the Move Destination is not configured"),
    ("C-MOVE, C-GET", 0xA900, "the identifier does not match the SOP class; a unique key is absent, empty or `*`"),
    ("C-MOVE, C-GET", 0xC000, "the identifier cannot be processed"),
    ("N-ACTION", 0x0000, "the request is durable; an N-EVENT-REPORT follows"),
    ("N-ACTION", 0x0112, "the SOP Instance is not the well-known one"),
    ("N-ACTION", 0x0115, "an attribute has an invalid value"),
    ("N-ACTION", 0x0118, "the SOP class is not that of the presentation context"),
    ("N-ACTION", 0x0120, "Transaction UID or Referenced SOP Sequence is absent"),
    ("N-ACTION", 0x0121, "Transaction UID or Referenced SOP Sequence is empty"),
    ("N-ACTION", 0x0123, "Action Type ID is not 1"),
    ("N-ACTION", 0x0131, "the Transaction UID is already in use"),
    (
        "N-ACTION",
        0x0213,
        "more instances than `commitment.max_references`, or more pending requests than `commitment.max_pending`",
    ),
    (
        "N-EVENT-REPORT, as Failure Reason",
        0x0110,
        "the stored bytes are missing, or differ from those that were indexed",
    ),
    ("N-EVENT-REPORT, as Failure Reason", 0x0112, "there is no such instance"),
    ("N-EVENT-REPORT, as Failure Reason", 0x0119, "the instance is of another SOP class"),
    ("All", 0x0110, "processing failure"),
    ("All", 0x0124, "the peer is not allowed to use this service"),
    ("All", 0x0211, "the SOP class does not have this operation"),
)
"""Operations, status and meaning."""


def statuses(offered: Collection[str]) -> StatementTable:
    """Return the table of statuses.

    Args:
        offered: the names of the supported operations, such as `C-STORE`.
    """
    rows = tuple(
        (names, f"{code:04X}", category_of(code).value, meaning)
        for names, code, meaning in STATUSES
        if names == "All" or set(names.split(", ")) & {*offered, "N-EVENT-REPORT"}
    )
    return StatementTable(title="Statuses", columns=("Operation", "Status", "Category", "Meaning"), rows=rows)
