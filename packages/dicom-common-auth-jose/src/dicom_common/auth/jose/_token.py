"""A token in its compact form (RFC 7515 7.1), taken apart; nothing in it is believed yet."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from dicom_common.auth.jose._check import Check, refuse
from dicom_common.auth.jose._strict_json import parse_object
from dicom_common.core import MAX_TOKEN_BYTES, AuthenticationError

__all__ = ["FORM_CHECKS", "Token"]

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_LAST = {0: None, 2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}
"""By the length of a text modulo 4: the last characters whose unused bits are zero. A length of 1 is none of bytes."""


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


@dataclass(frozen=True, slots=True)
class Token:
    """The parts of a token. They are not in the repr."""

    header: dict[str, Any] = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Token:
        """Take a token apart.

        Raises:
            AuthenticationError: it is none; the message holds nothing of it.
        """
        refuse(FORM_CHECKS, text)
        signed, _, signature = text.rpartition(".")
        head, _, body = signed.partition(".")
        header, claims = parse_object(decode(head)), parse_object(decode(body))
        if header is None or claims is None:
            raise AuthenticationError("The token's header or claims are no JSON object.")
        return cls(header, claims, signed.encode("ascii"), decode(signature))


def decode(text: str) -> bytes:
    """Return the bytes of a base64url text without padding, of whose form the checks have judged."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
