"""A token in its compact form (RFC 7515 7.1), taken apart; nothing in it is believed yet."""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dicom_common.auth.jose._check import Check, refuse
from dicom_common.auth.jose._strict_json import parse_object
from dicom_common.core import MAX_TOKEN_BYTES, AuthenticationError

__all__ = ["FORM_CHECKS", "Token", "segment_object"]

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_LAST = {0: None, 2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
"""By the length of a text modulo 4: the last characters whose unused bits are zero. No bytes give a length of 1."""


def is_canonical(text: str) -> bool:
    """Tell whether a text is the one base64url form of its bytes: others would be other tokens of the same meaning."""
    if len(text) % 4 not in _LAST:
        return False
    last = _LAST[len(text) % 4]
    return last is None or text[-1] in last


FORM_CHECKS = (
    Check("token-length", lambda text: len(text) <= MAX_TOKEN_BYTES, "The token is longer than 8192 bytes."),
    Check("token-form", lambda text: _COMPACT.fullmatch(text) is not None, "The token is no JWT of three parts."),
    Check("token-canonical", lambda text: all(map(is_canonical, text.split("."))), "The token is not canonical."),
)


def segment_object(segment: bytes) -> dict[str, Any] | None:
    """Return the object of a part of a token, as base64 without padding; None where it is not valid."""
    return parse_object(a2b_base64(segment + b"=="))


@dataclass(slots=True)
class Token:
    """The parts of a token. They are not in the repr."""

    header: dict[str, Any] = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str, header_of: Callable[[bytes], dict[str, Any] | None]) -> Token:
        """Take a token apart.

        Args:
            text: the token.
            header_of: `segment_object`, or one that remembers: the tokens of one key have the same header.

        Raises:
            AuthenticationError: it is not a valid token; the message holds nothing of it.
        """
        refuse(FORM_CHECKS, text)
        data = text.encode("ascii")
        # `base64.urlsafe_b64decode` does the same, and took as long as the two JSON objects.
        start, _, signature = data.translate(_TO_BASE64).rpartition(b".")
        head, _, body = start.partition(b".")
        header, claims = header_of(head), segment_object(body)
        if header is None or claims is None:
            raise AuthenticationError("The token's header or claims are no JSON object.")
        return cls(header, claims, data[: len(start)], a2b_base64(signature + b"=="))
