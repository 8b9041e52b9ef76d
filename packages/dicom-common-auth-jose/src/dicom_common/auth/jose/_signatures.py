"""The one place where python-jose is used: a JWK becomes a key, and a key verifies a signature.

Its `jwt.decode` is not: it accepts tokens without `exp` or `aud`, with a `crit` header, and takes the algorithm from
the token where none is given. It has no PSxxx and no EdDSA.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jose.backends
import jose.jwk

__all__ = ["ALGORITHMS", "Verify", "verifier"]

Verify = Callable[[bytes, bytes], bool]
"""Tells whether a signature (second) is one of a text (first)."""

ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
"""What is supported (RFC 7518 3.1), with the `kty` and `crv` of the keys that it goes with."""


def verifier(jwk: Mapping[str, Any], algorithm: str) -> Verify | None:
    """Make what verifies signatures of one algorithm with a public key; None where the key does not fit it."""
    if (jwk.get("kty"), jwk.get("crv")) != ALGORITHMS[algorithm]:
        return None
    try:
        key = jose.jwk.construct(dict(jwk), algorithm)
    except Exception:  # noqa: BLE001 - python-jose lets KeyError, TypeError and those of cryptography through
        return None
    verify: Verify = key.verify  # answers False for whatever goes wrong
    return verify
