"""Keys of a provider in tests, and tokens that are signed with them: on `cryptography`, with no JWT library."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

__all__ = ["SigningKey", "base64url", "compact_token", "signing_key"]

_CURVES = {"ES256": (ec.SECP256R1(), "P-256"), "ES384": (ec.SECP384R1(), "P-384"), "ES512": (ec.SECP521R1(), "P-521")}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def base64url(data: bytes) -> str:
    """Return bytes as base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def compact_token(header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, signature: bytes = b"") -> str:
    """Return header, claims and a signature in the compact form. What is given as bytes is taken as it is."""
    return f"{_segment(header)}.{_segment(claims)}.{base64url(signature)}"


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs by one algorithm (RFC 7518 3.1, RFC 8037 3.1). RSA keys sign by any of theirs."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)

    def sign(self, text: bytes, algorithm: str = "") -> bytes:
        """Sign a text as JWS does."""
        algorithm = algorithm or self.algorithm
        if algorithm == "EdDSA":
            edwards: bytes = self.private.sign(text)
            return edwards
        digest = _HASHES[algorithm[2:]]
        if algorithm.startswith("ES"):
            size = (self.private.key_size + 7) // 8
            r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(digest)))
            return bytes(r.to_bytes(size, "big") + s.to_bytes(size, "big"))
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        signed: bytes = self.private.sign(text, pss if algorithm.startswith("PS") else padding.PKCS1v15(), digest)
        return signed

    def token(self, header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, algorithm: str = "") -> str:
        """Return a signed token. The header is taken as it is: it may say what is not true."""
        text = f"{_segment(header)}.{_segment(claims)}"
        return f"{text}.{base64url(self.sign(text.encode(), algorithm))}"

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public key as a provider publishes it (RFC 7517 4); a member that is set to None is left out."""
        public = self.private.public_key()
        jwk: dict[str, Any] = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            jwk |= {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            size, point = (public.key_size + 7) // 8, public.public_numbers()
            jwk |= {"kty": "EC", "crv": _CURVES[self.algorithm][1]}
            jwk |= {"x": _number(point.x, size), "y": _number(point.y, size)}
        else:
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            jwk |= {"kty": "OKP", "crv": "Ed25519", "x": base64url(raw)}
        return {name: value for name, value in (jwk | changes).items() if value is not None}

    def private_member(self) -> str:
        """Return the member `d` of the private JWK, for a provider that publishes what it must not."""
        numbers = self.private.private_numbers()
        return _number(numbers.d if hasattr(numbers, "d") else numbers.private_value)

    def public_pem(self) -> bytes:
        """Return the public key as PEM, which attackers use as the secret of an HMAC."""
        pem: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem


def hmac_token(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    """Return a token with an HMAC in place of a signature."""
    text = f"{_segment(header)}.{_segment(claims)}"
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), 'sha256'))}"


@lru_cache(maxsize=64)
def signing_key(kid: str, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
    """Make a key; the same one for the same arguments, because large primes take time."""
    if algorithm == "EdDSA":
        return SigningKey(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
    if algorithm in _CURVES:
        return SigningKey(kid, algorithm, ec.generate_private_key(_CURVES[algorithm][0]))
    return SigningKey(kid, algorithm, rsa.generate_private_key(65_537, bits))


def _segment(part: Mapping[str, Any] | bytes) -> str:
    return base64url(part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode())


def _number(number: int, size: int = 0) -> str:
    return base64url(number.to_bytes(size or (number.bit_length() + 7) // 8, "big"))
