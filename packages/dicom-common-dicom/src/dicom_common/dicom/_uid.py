"""UIDs: what is one, the hash by which rows and messages name them, and new ones."""

from __future__ import annotations

import re
from functools import lru_cache
from uuid import uuid4

from dicom_common.core import DicomError
from dicom_common.dicom._reasons import Reason

__all__ = ["hash_uid", "is_valid_uid", "new_uid", "validate_uid"]

_MAX_LENGTH = 64
_STRICT = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+", re.ASCII)
# A lenient UID still begins and ends with a digit and has no empty component: `..` must never become a path segment.
_LENIENT = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)


def is_valid_uid(uid: str, *, strict: bool = False) -> bool:
    """Tell whether a text, without its padding, is a UID (PS3.5 9.1).

    Lenient takes 1 to 64 digits and dots, a digit at both ends and between any two dots: leading zeros in a component
    are common in old objects and harmless. Strict is the standard: no leading zeros, two components or more, and
    the first is 0, 1 or 2 (ISO/IEC 8824). Nothing else is ever a UID, so a valid one is safe as a path segment.
    """
    return len(uid) <= _MAX_LENGTH and (_STRICT if strict else _LENIENT).fullmatch(uid) is not None


def validate_uid(uid: str, *, strict: bool = False) -> str:
    """Return a UID without its padding: one trailing NUL (PS3.5 9.1), and spaces, which some senders use instead.

    Raises:
        DicomError: it is not a UID (see `is_valid_uid`); reason `invalid-uid`. The message does not repeat the text.
    """
    unpadded = uid.rstrip(" ").removesuffix("\0").rstrip(" ")
    if not is_valid_uid(unpadded, strict=strict):
        expected = "PS3.5 9.1 describes" if strict else "has 1 to 64 digits and single dots between them"
        raise DicomError(Reason.INVALID_UID, f"A UID is not one: give a UID as {expected}.")
    return unpadded


def new_uid() -> str:
    """Make a new UID from a random UUID, under the root 2.25 (PS3.5 B.2); no registration is needed."""
    return f"2.25.{uuid4().int}"


_MASK = (1 << 64) - 1
_PRIME = 0x6EED0E9DA4D94A4F
_SEEDS = (0x16F11FE89B0D677C, 0xB480A793D8E6C86C, 0x6FE2E5AAF078EBC9, 0x14F994A4C5259381)


def _diffuse(lane: int) -> int:
    lane = lane * _PRIME & _MASK
    lane ^= (lane >> 32) >> (lane >> 60)
    return lane * _PRIME & _MASK


def sea_hash(data: bytes) -> int:
    """Compute SeaHash (64 bits, reference seeds): blocks of eight bytes, little endian, over four lanes in turn."""
    lane_a, lane_b, lane_c, lane_d = _SEEDS
    for start in range(0, len(data), 8):
        block = int.from_bytes(data[start : start + 8], "little")
        lane_a, lane_b, lane_c, lane_d = lane_b, lane_c, lane_d, _diffuse(lane_a ^ block)
    return _diffuse(lane_a ^ lane_b ^ lane_c ^ lane_d ^ len(data))


def hash_uid(uid: str) -> str:
    """Return the 64-bit SeaHash of a UID's characters in decimal, zero-padded to 20 digits.

    Rows and messages carry it beside the UID, for partitioning. It is not cryptographic: it hides nothing.

    Raises:
        ValueError: `uid` has characters outside ASCII, so it is no UID.
    """
    return _remembered_hash(uid) if len(uid) <= _MAX_LENGTH else _hash(uid)


def _hash(uid: str) -> str:
    try:
        data = uid.encode("ascii")
    except UnicodeEncodeError:
        raise ValueError("hash_uid takes a UID: digits and dots") from None
    return f"{sea_hash(data):020d}"


# The instances of a series come together and share two UIDs. Only what has the length of a UID is kept.
_remembered_hash = lru_cache(maxsize=4096)(_hash)
