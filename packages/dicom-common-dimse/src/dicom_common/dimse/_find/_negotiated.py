"""What is negotiated about queries and retrievals beyond their SOP classes (PS3.4 C.5.1.1, C.5.2.1, C.5.3.1)."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["FIND_FEATURES", "RETRIEVE_FEATURES", "Negotiated", "negotiated_of"]

FIND_FEATURES: Final = b"\1\1\1\0\0\1\1"
"""Relational queries, combined date and time, fuzzy matching of names, timezone adjustment (no), conversion of enhanced
multi-frame images (no), empty value matching, multiple value matching."""
RETRIEVE_FEATURES: Final = b"\1"
"""Relational retrieval."""


class Negotiated(NamedTuple):
    """What both sides agreed on for a SOP class."""

    relational: bool
    combined: bool
    """Whether a date and its time are searched as one point in time."""
    fuzzy: bool
    empty_values: bool


def negotiated_of(accepted: bytes) -> Negotiated:
    """Read the answer to a SOP Class Extended Negotiation item; b"" where there was no such item."""
    flags = [byte == 1 for byte in accepted] + [False] * len(FIND_FEATURES)
    return Negotiated(relational=flags[0], combined=flags[1], fuzzy=flags[2], empty_values=flags[5])
