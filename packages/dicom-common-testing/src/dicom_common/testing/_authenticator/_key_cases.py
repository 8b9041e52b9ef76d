"""The attack table, third part: what an issuer, or who stands between, may publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dicom_common.testing._authenticator._identity_provider import Answer
from dicom_common.testing._authenticator._token_cases import ACCEPTED
from dicom_common.testing._authenticator._token_keys import base64url, hmac_token, signing_key
from dicom_common.testing._authenticator._token_scene import Case, Outcome, Scene

__all__ = ["KEY_CASES"]

UNAVAILABLE = Outcome.UNAVAILABLE
SECRET = b"a secret of the provider, published by mistake"


def rsa(**changes: Any) -> Callable[[Scene], list[Any]]:
    """Publish the RSA key with changes, beside the good EC key."""
    return lambda scene: [scene.rsa.jwk(**changes), scene.ec.jwk()]


def beside(*others: Any) -> Callable[[Scene], list[Any]]:
    """Publish something else before the good keys."""
    return lambda scene: [*others, scene.rsa.jwk(), scene.ec.jwk()]


def discovery(**changes: Any) -> Callable[[Scene], dict[str, Any]]:
    """Change the discovery document."""
    return lambda _: changes


def at(url: str) -> Callable[[Scene], dict[str, Any]]:
    """Let the discovery document name the place of the keys, with the port of the provider in it."""
    return lambda scene: {"jwks_uri": url.replace("PORT", scene.provider.issuer.rpartition(":")[2])}


KEYS = [
    Case(name="key: private", keys=lambda scene: [scene.rsa.jwk(d=scene.rsa.private_member()), scene.ec.jwk()]),
    Case(name="key: for encryption", keys=rsa(use="enc")),
    Case(name="key: use is a list", keys=rsa(use=["sig"])),
    Case(name="key: use is not said", keys=rsa(use=None), outcome=ACCEPTED),
    Case(name="key: operations without verify", keys=rsa(use=None, key_ops=["encrypt"])),
    Case(name="key: operations are a text", keys=rsa(use=None, key_ops="verify")),
    Case(name="key: operations with verify", keys=rsa(use=None, key_ops=["verify"]), outcome=ACCEPTED),
    Case(
        name="key: for another algorithm of its type",
        keys=rsa(alg="RS512"),
        trust={"algorithms": ("RS256", "RS512")},
    ),
    Case(name="key: its algorithm is not said", keys=rsa(alg=None), outcome=ACCEPTED),
    Case(name="key: its algorithm is not a text", keys=rsa(alg=["RS256"])),
    Case(
        name="key: RSA of 1024 bits",
        token=lambda scene: scene.token(signing_key("small", bits=1024)),
        keys=lambda scene: [signing_key("small", bits=1024).jwk(), scene.ec.jwk()],
    ),
    Case(name="key: RSA with exponent 1", keys=rsa(e=base64url(b"\x01"))),
    Case(
        name="key: another curve under a good name",
        keys=lambda scene: [scene.ec.jwk(crv="P-384"), scene.rsa.jwk()],
        token=lambda scene: scene.token(scene.ec),
    ),
    Case(
        name="key: a point that is not on the curve",
        keys=lambda scene: [scene.ec.jwk(x=scene.ec.jwk()["y"]), scene.rsa.jwk()],
        token=lambda scene: scene.token(scene.ec),
    ),
    *(
        Case(
            name=f"key: of P-384, for a token of ES256; its algorithm is {algorithm}",
            token=lambda scene: signing_key("long", "ES384").token(
                scene.header(kid="long", alg="ES256"), scene.claims(), "ES256"
            ),
            keys=beside(signing_key("long", "ES384").jwk(alg=algorithm)),
        )
        for algorithm in (None, "ES256")
    ),
    Case(name="key: its type is another", keys=rsa(kty="EC")),
    Case(
        name="key: a symmetric one",
        token=lambda scene: hmac_token({"alg": "HS256", "typ": "JWT", "kid": "oct"}, scene.claims(), SECRET),
        keys=beside({"kty": "oct", "kid": "oct", "k": base64url(SECRET)}),
    ),
    Case(
        name="key: a symmetric one, for RS256",
        token=lambda scene: hmac_token({"alg": "RS256", "typ": "JWT", "kid": "oct"}, scene.claims(), SECRET),
        keys=beside({"kty": "oct", "kid": "oct", "k": base64url(SECRET), "alg": "RS256"}),
    ),
    Case(name="key: two of one name, the right one last", keys=beside(signing_key("stranger").jwk(kid="rsa"))),
    Case(name="key: two of one name", keys=lambda scene: [scene.rsa.jwk(), signing_key("stranger").jwk(kid="rsa")]),
    Case(name="key: without a name, for a token with one", keys=rsa(kid=None)),
    *(
        Case(name=f"key: {name} beside good ones", keys=beside(jwk), outcome=ACCEPTED)
        for name, jwk in {
            "a list as kid": signing_key("stranger").jwk(kid=["x"]),
            "a number as kid": signing_key("stranger").jwk(kid=7),
            "no object": 7,
            "an empty object": {},
            "an unknown type": {"kty": "X", "kid": "x"},
            "an RSA key of nothing": {"kty": "RSA", "kid": "x"},
            "an RSA key of rubbish": {"kty": "RSA", "kid": "x", "n": "\u2603", "e": 7},
            "an Edwards key": signing_key("edwards", "EdDSA").jwk(),
        }.items()
    ),
]
ANSWERS = [
    *(
        Case(name=f"keys: {name}", answer=answer, outcome=UNAVAILABLE)
        for name, answer in {
            "not found": Answer(status=404),
            "forbidden": Answer(status=403),
            "an error of the server": Answer(status=500),
            "a redirect, with the keys in it": Answer(status=302, headers={"Location": "/elsewhere"}),
            "another success": Answer(status=203),
            "not JSON": Answer(body=b"<html>sign in</html>"),
            "nothing": Answer(body=b""),
            "a list": Answer(body=b"[]"),
            "an object without keys": Answer(body=b"{}"),
            "keys that are no list": Answer(body=b'{"keys": {}}'),
            "no keys": Answer(body=b'{"keys": []}'),
            "not UTF-8": Answer(body=b'{"keys": ["\xff"]}'),
            "very deep": Answer(body=b"[" * 60_000),
            "compressed": Answer(headers={"Content-Encoding": "gzip"}),
            "less than announced": Answer(headers={"Content-Length": "60000"}, body=b'{"keys": [],'),
        }.items()
    ),
    Case(name="keys: larger than 64 kB, by spaces", answer=Answer(padding=70_000), outcome=UNAVAILABLE),
    Case(name="keys: larger than 64 kB", keys=beside({"kty": "X", "x": "y" * 70_000}), outcome=UNAVAILABLE),
    Case(
        name="keys: a symmetric one alone",
        keys=lambda _: [{"kty": "oct", "kid": "rsa", "k": base64url(SECRET)}],
        outcome=UNAVAILABLE,
    ),
    Case(name="keys: large, and no more than 64 kB", keys=beside({"kty": "X", "x": "y" * 60_000}), outcome=ACCEPTED),
    Case(name="keys: with a name twice", answer=Answer(body=b'{"keys": [], "keys": []}'), outcome=UNAVAILABLE),
]
DISCOVERY = [
    Case(name="discovery: good", discovery=discovery(), outcome=ACCEPTED),
    Case(
        name="discovery: of another issuer", discovery=discovery(issuer="https://attacker.example"), outcome=UNAVAILABLE
    ),
    Case(name="discovery: without an issuer", discovery=discovery(issuer=None), outcome=UNAVAILABLE),
    Case(name="discovery: no place of keys", discovery=discovery(jwks_uri=None), outcome=UNAVAILABLE),
    *(
        Case(name=f"discovery: keys at {url}", discovery=at(url), outcome=UNAVAILABLE)
        for url in (
            "",
            "ftp://127.0.0.1:PORT/keys",
            "file:///etc/hosts",
            "http://0.0.0.0:PORT/keys",
            "http:///keys",
            "//127.0.0.1:PORT/keys",
            "http://user:word@127.0.0.1:PORT/keys",
            "http://127.0.0.1:PORT/keys#x",
            "http://127.0.0.1:PORT/keys\r\nX: y",
            "http://127.0.0.1:x/keys",
        )
    ),
    Case(name="tls: verified", tls=True, outcome=ACCEPTED),
    Case(name="tls: verified, with discovery", tls=True, discovery=discovery(), outcome=ACCEPTED),
    Case(name="tls: an authority that is not trusted", tls=True, trusted_ca=False, outcome=UNAVAILABLE),
    Case(
        name="tls: discovery leads to keys without it",
        tls=True,
        discovery=lambda scene: {"jwks_uri": scene.plain_keys()},
        outcome=UNAVAILABLE,
    ),
]
SLOW = [
    Case(name=f"keys: {name}", answer=answer, trust={"time_limit": 0.3}, outcome=UNAVAILABLE)
    for name, answer in {"too slow to begin": Answer(delay=2.0), "a byte now and then": Answer(drip=0.01)}.items()
]
KEY_CASES = (*KEYS, *ANSWERS, *DISCOVERY, *SLOW)
