"""The published keys of an issuer (RFC 7517): which of them may verify what."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from dicom_common.auth.jose._check import Check, failed
from dicom_common.auth.jose._signatures import ALGORITHMS, Verify, verifier
from dicom_common.auth.jose._strict_json import parse_object

__all__ = ["KEY_CHECKS", "KeySet"]

_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_RSA_BITS = range(2048, 8193)
"""More than 8192 bits cost the time of many tokens, and no provider needs such a key."""


def _is_of_good_size(jwk: Mapping[str, Any]) -> bool:
    if jwk.get("kty") != "RSA":
        return True  # of curves, there are only good ones in the table of algorithms
    try:
        modulus = base64.urlsafe_b64decode(str(jwk.get("n")) + "==")
    except (ValueError, binascii.Error):
        return False
    return int.from_bytes(modulus, "big").bit_length() in _RSA_BITS


KEY_CHECKS = (
    Check("key-kid", lambda jwk: jwk.get("kid") is None or isinstance(jwk["kid"], str), "kid is no text"),
    Check("key-private", lambda jwk: not any(name in jwk for name in _PRIVATE), "it is private, and now public"),
    Check("key-use", lambda jwk: jwk.get("use") in (None, "sig"), "it is not for signatures"),
    Check(
        "key-ops",
        lambda jwk: "key_ops" not in jwk or (isinstance(jwk["key_ops"], list) and "verify" in jwk["key_ops"]),
        "it is not for verifying",
    ),
    Check("key-size", _is_of_good_size, "its modulus has less than 2048 bits, or more than 8192"),
)
"""Of each key. One that does not hold is left out: it disturbs no other."""
PAIR_CHECKS = (
    Check("key-alg", lambda pair: pair[0].get("alg") in (None, pair[1]), "the key is for another algorithm"),
)
"""Of a key and an algorithm of its type."""


class KeySet:
    """The keys of a JWK set, by key id and algorithm. Immutable."""

    def __init__(self, keys: list[Any]) -> None:
        usable = [jwk for jwk in keys if isinstance(jwk, dict) and failed(KEY_CHECKS, jwk) is None]
        made = [(jwk.get("kid"), verifiers) for jwk in usable if (verifiers := _verifiers(jwk))]
        self._by_kid: dict[str, dict[str, Verify]] = {}
        ambiguous = set()
        for kid, verifiers in made:
            if kid is None:
                continue
            known = self._by_kid.setdefault(kid, {})
            ambiguous |= {(kid, algorithm) for algorithm in verifiers.keys() & known.keys()}
            known |= verifiers
        for kid, algorithm in ambiguous:  # two keys of one name: neither is meant more than the other
            del self._by_kid[kid][algorithm]
        self._only = made[0][1] if len(made) == 1 else {}
        self.size = len(made)

    @classmethod
    def parse(cls, body: bytes) -> KeySet | None:
        """Read a JWK set (RFC 7517 5); None where it is not a valid set, or has no key that we can use."""
        document = parse_object(body)
        keys = document.get("keys") if document is not None else None
        made = cls(keys) if isinstance(keys, list) else None
        return made if made is not None and made.size else None

    def find(self, kid: str | None, algorithm: str) -> Verify | None:
        """Return the key for a token; without a key id only where there is but one."""
        return (self._only if kid is None else self._by_kid.get(kid, {})).get(algorithm)

    def __contains__(self, kid: str) -> bool:
        return kid in self._by_kid


def _verifiers(jwk: Mapping[str, Any]) -> dict[str, Verify]:
    made = {name: verifier(jwk, name) for name in ALGORITHMS if failed(PAIR_CHECKS, (jwk, name)) is None}
    return {name: verify for name, verify in made.items() if verify is not None}
