"""What the claims of an access token have to say (RFC 7519 4.1, RFC 9068 4), once its signature is verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dicom_common.auth.jose._check import Check
from dicom_common.auth.jose._settings import Issuer

__all__ = ["CLAIM_CHECKS", "Claimed", "texts"]

_LATEST = 253_402_300_799
"""The end of the year 9999. NaN, infinity and numbers of a thousand digits are not below it."""
_ONLY_TEXT = {str}
_OF_OTHER_TOKENS = ("at_hash", "c_hash", "s_hash", "events")
"""Hashes are in ID tokens; `events` is in logout tokens and all other security event tokens (RFC 8417 2.2)."""


@dataclass(slots=True)  # not frozen: that takes three times as long to make, for each token
class Claimed:
    """Claims, their header and issuer, and what time it is, in seconds since 1970."""

    claims: dict[str, Any] = field(repr=False)
    header: dict[str, Any] = field(repr=False)
    issuer: Issuer
    now: float
    leeway: float


def texts(value: Any) -> list[str] | None:
    """Return a text, or a list of texts, as a list; None for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and set(map(type, value)) <= _ONLY_TEXT:
        return value
    return None


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LATEST


def _are_times(claimed: Claimed) -> bool:
    return all(_is_time(claimed.claims[name]) for name in ("exp", "nbf", "iat") if name in claimed.claims)


def _is_for_us(claimed: Claimed) -> bool:
    return not set(texts(claimed.claims.get("aud")) or ()).isdisjoint(claimed.issuer.audiences)


def _is_of_a_known_party(claimed: Claimed) -> bool:
    party = claimed.claims.get("azp", claimed.claims.get("client_id"))
    return not claimed.issuer.authorized_parties or party in claimed.issuer.authorized_parties


def _is_no_id_token(claimed: Claimed) -> bool:
    """Tell ID tokens, which are for a client to read, and logout tokens from access tokens, by what only they have.

    Keycloak writes into the claim `typ` what a token is for. A `nonce` (OpenID Connect Core 1.0, 2) is what a client
    gave for its ID token; a token that says, there or in its header, that it is an access token may repeat it.
    """
    claims = claimed.claims
    kind = str(claims.get("typ", "")).lower()
    if any(name in claims for name in _OF_OTHER_TOKENS) or kind not in ("", "bearer"):
        return False
    return "nonce" not in claims or kind == "bearer" or str(claimed.header.get("typ", "")).lower().endswith("at+jwt")


def _is_subject(claimed: Claimed) -> bool:
    subject = claimed.claims.get("sub")
    return isinstance(subject, str) and 1 <= len(subject) <= 255 and subject.isprintable()


CLAIM_CHECKS = (
    Check("claim-aud", _is_for_us, "The token is for another audience."),
    Check("claim-exp", lambda claimed: "exp" in claimed.claims, "The token has no end (exp)."),
    Check("claim-times", _are_times, "The token has an exp, nbf or iat that is not a valid time."),
    Check(
        "claim-expired",
        lambda claimed: claimed.now < claimed.claims.get("exp", claimed.now + 1) + claimed.leeway,
        "The token has expired.",
    ),
    Check(
        "claim-nbf",
        lambda claimed: claimed.claims.get("nbf", 0) <= claimed.now + claimed.leeway,
        "The token is not valid yet (nbf).",
    ),
    Check(
        "claim-iat",
        lambda claimed: claimed.claims.get("iat", 0) <= claimed.now + claimed.leeway,
        "The token was issued in the future (iat).",
    ),
    Check(
        "claim-required",
        lambda claimed: all(name in claimed.claims for name in claimed.issuer.required_claims),
        "The token lacks a claim that is required of its issuer.",
    ),
    Check("claim-azp", _is_of_a_known_party, "The token was issued to another client (azp)."),
    Check("claim-id-token", _is_no_id_token, "The token is not an access token."),
    Check(
        "claim-cnf",
        lambda claimed: "cnf" not in claimed.claims,
        "The token is bound to a key of its holder (cnf), which is not verified here.",
    ),
    Check("claim-sub", _is_subject, "The token's subject is not a text of 1 to 255 printable characters."),
)
