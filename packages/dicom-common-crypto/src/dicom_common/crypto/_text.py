"""Bytes as text that may stand in a URL: base64 with the alphabet of RFC 4648, 5, without padding."""

from __future__ import annotations

import base64
import binascii

__all__ = ["bound", "from_text", "to_text"]


def to_text(data: bytes) -> str:
    """Return bytes as text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Return the bytes of a text.

    Raises:
        ValueError: it is not the one text that stands for some bytes.
    """
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("no base64url") from None
    # The last letter has bits that stand for nothing: two texts must not mean the same.
    if to_text(data) != text:
        raise ValueError("no canonical base64url")
    return data


def bound(*parts: bytes) -> bytes:
    """Return one text of several parts, which no other parts give."""
    return b"".join(len(part).to_bytes(4) + part for part in parts)
