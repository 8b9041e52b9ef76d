"""A token's header (RFC 7515 4.1, RFC 8725): it chooses among what the issuer's settings allow, no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dicom_common.auth.jose._check import Check
from dicom_common.auth.jose._settings import Issuer

__all__ = ["HEADER_CHECKS", "Headed"]

_KEYS_OF_ITS_OWN = ("jwk", "jku", "x5u", "x5c")
_ACCESS_TOKEN = ("at+jwt", "application/at+jwt")
_TYPES = {"any": ("jwt", *_ACCESS_TOKEN), "at+jwt": _ACCESS_TOKEN}


@dataclass(slots=True)
class Headed:
    """A header, and the issuer that the token names."""

    header: dict[str, Any] = field(repr=False)
    issuer: Issuer


def _is_kid(headed: Headed) -> bool:
    kid = headed.header.get("kid")
    return "kid" not in headed.header or (isinstance(kid, str) and 1 <= len(kid) <= 256)


def _is_type(headed: Headed) -> bool:
    kind = headed.header.get("typ")
    if "typ" not in headed.header:
        return headed.issuer.typ == "any"
    return isinstance(kind, str) and kind.lower() in _TYPES[headed.issuer.typ]


HEADER_CHECKS = (
    Check(
        "header-alg",
        lambda headed: (
            headed.header.get("alg") in headed.issuer.algorithms
        ),  # a tuple: whatever it is can be looked for
        "The token's algorithm is not one of the issuer's.",
    ),
    Check("header-crit", lambda headed: "crit" not in headed.header, "The token has critical headers."),
    Check("header-b64", lambda headed: "b64" not in headed.header, "The token has the header b64."),
    Check(
        "header-own-key",
        lambda headed: not any(name in headed.header for name in _KEYS_OF_ITS_OWN),
        "The token brings a key of its own.",
    ),
    Check("header-kid", _is_kid, "The token's key id is not a text of 1 to 256 characters."),
    Check("header-typ", _is_type, "The token is not of the type of an access token."),
)
