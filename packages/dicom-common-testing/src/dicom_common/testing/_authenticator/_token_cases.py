"""The attack table, first part: tokens that are not to be accepted, and those beside them that are."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from dicom_common.testing._authenticator._token_keys import base64url, compact_token, hmac_token, signing_key
from dicom_common.testing._authenticator._token_scene import Case, Outcome, Scene

__all__ = ["TOKEN_CASES"]

ACCEPTED = Outcome.ACCEPTED


def header(**changes: Any) -> Callable[[Scene], str]:
    """Make a good token with changes in its header, signed."""
    return lambda scene: scene.token(header=changes)


def claims(**changes: Any) -> Callable[[Scene], str]:
    """Make a good token with changes in its claims, signed."""
    return lambda scene: scene.token(**changes)


def after(**seconds: float) -> Callable[[Scene], str]:
    """Make a good token some of whose times are so many seconds after now."""

    def token(scene: Scene) -> str:
        times: dict[str, Any] = {name: scene.clock.time() + value for name, value in seconds.items()}
        return scene.token(**times)

    return token


def raw_claims(edit: Callable[[bytes], bytes]) -> Callable[[Scene], str]:
    """Make a token whose claims, as bytes, were edited before they were signed."""
    return lambda scene: scene.rsa.token(scene.header(), edit(json.dumps(scene.claims()).encode()))


def with_value(text: bytes) -> Callable[[Scene], str]:
    """Make a token with one more claim, whose value is this text."""
    return raw_claims(lambda body: body[:-1] + b', "x": ' + text + b"}")


def raw_header(edit: Callable[[bytes], bytes]) -> Callable[[Scene], str]:
    """Make a token whose header, as bytes, was edited before it was signed."""
    return lambda scene: scene.rsa.token(edit(json.dumps(scene.header()).encode()), scene.claims())


def edited(edit: Callable[[str], str]) -> Callable[[Scene], str]:
    """Make a good token and edit its text."""
    return lambda scene: edit(scene.token())


def with_spare_bits(token: str) -> str:
    """Return the same signature by another text: 342 characters hold four bits more than 256 bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]


def flipped_signature(token: str) -> str:
    """Return a token with another first character of the signature."""
    start, _, signature = token.rpartition(".")
    return f"{start}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def other_claims(token: str) -> str:
    """Return a token with more in its claims than was signed."""
    head, body, signature = token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "==")) | {"scope": "dicom:administer"}
    return f"{head}.{base64url(json.dumps(changed).encode())}.{signature}"


def confused(kid: str, algorithm: str = "HS256") -> Callable[[Scene], str]:
    """Make a token with an HMAC whose secret is the published key."""
    return lambda scene: hmac_token(
        {"alg": algorithm, "typ": "JWT", "kid": kid}, scene.claims(), getattr(scene, kid).public_pem()
    )


def unsigned(algorithm: str, signature: bytes = b"") -> Callable[[Scene], str]:
    """Make a token that says itself that it is not signed."""
    return lambda scene: compact_token(scene.header(alg=algorithm), scene.claims(), signature)


def with_own_key(**named: Any) -> Callable[[Scene], str]:
    """Make a token that is signed with a key of the attacker, and brings it along."""
    stranger = signing_key("stranger")
    return lambda scene: stranger.token(
        scene.header() | {"kid": "rsa", "jwk": stranger.jwk(kid="rsa")} | named, scene.claims()
    )


def der_signature(scene: Scene) -> str:
    """Make an ES256 token with the signature as DER, which is not its form in JWS (RFC 7518 3.4)."""
    start, _, signature = scene.token(scene.ec).rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return f"{start}.{base64url(der)}"


def _fits(scene: Scene, algorithm: str) -> str:
    return scene.rsa.token(scene.header(alg=algorithm), scene.claims(), algorithm)


FORM = [
    *(
        Case(name=f"form: {name}", token=edited(edit))
        for name, edit in {
            "one segment": lambda token: token.replace(".", ""),
            "two segments": lambda token: token.rpartition(".")[0],
            "four segments": lambda token: f"{token}.AAAA",
            "five segments, as JWE has": lambda token: f"{token}.AAAA.AAAA",
            "a dot within the signature": lambda token: f"{token[:-8]}.{token[-8:]}",
            "an empty signature": lambda token: token.rpartition(".")[0] + ".",
            "an empty header": lambda token: "." + token.partition(".")[2],
            "padding": lambda token: f"{token}==",
            "a line break behind it": lambda token: f"{token}\n",
            "a space before it": lambda token: f" {token}",
            "a character of no alphabet": lambda token: f"{token[:-5]}!{token[-5:]}",
            "the other base64 alphabet": lambda token: token.replace("-", "+").replace("_", "/") + "+",
            "another text of the same signature": with_spare_bits,
            "letters of other alphabets": lambda token: f"{token[:-1]}\u0430",
            "a lone surrogate": lambda token: f"{token[:-1]}\ud800",
            "a NUL": lambda token: f"{token}\0",
            "the scheme in front": lambda token: f"Bearer {token}",
            "nothing": lambda _: "",
            "dots": lambda _: "..",
        }.items()
    ),
    Case(name="form: longer than 8 kB", token=claims(note="x" * 8192)),
    Case(name="form: a token of 6 kB", token=claims(note="x" * 3500), outcome=ACCEPTED),
]
JSON = [
    Case(name="json: a claim twice", token=raw_claims(lambda text: text[:-1] + b', "scope": "dicom:administer"}')),
    Case(name="json: a header twice", token=raw_header(lambda text: text[:-1] + b', "alg": "RS256"}')),
    Case(name="json: a name twice, deep", token=raw_claims(lambda text: text[:-1] + b', "x": [{"a": 1, "a": 2}]}')),
    *(
        Case(name=f"json: {word}", token=with_value(word.encode()))
        for word in ("NaN", "Infinity", "-Infinity", "01", "'x'", "undefined")
    ),
    *(
        Case(
            name=f"json: {depth} deep",
            token=with_value(b"[" * depth + b"]" * depth),
        )
        for depth in (300, 2000)
    ),
    Case(name="json: a number of 5000 digits", token=with_value(b"1" * 5000)),
    Case(name="json: brackets without end", token=raw_claims(lambda _: b"[" * 4000)),
    Case(name="json: objects without end", token=raw_header(lambda _: b'{"a":' * 800)),
    Case(name="json: claims are a list", token=raw_claims(lambda text: b"[" + text + b"]")),
    Case(name="json: claims are a text", token=raw_claims(lambda _: b'"x"')),
    Case(name="json: header is null", token=raw_header(lambda _: b"null")),
    Case(
        name="json: an end of 1e999",
        token=raw_claims(lambda text: re.sub(rb'"exp": [0-9]+', b'"exp": 1e999', text)),
    ),
    Case(name="json: something behind it", token=raw_claims(lambda text: text + b"{}")),
    Case(name="json: not UTF-8", token=raw_claims(lambda text: text[:-1] + b', "x": "\xff"}')),
    Case(name="json: UTF-16", token=raw_claims(lambda text: text.decode().encode("utf-16"))),
    Case(name="json: a byte order mark", token=raw_claims(lambda text: b"\xef\xbb\xbf" + text)),
]
HEADER = [
    *(Case(name=f"alg: {name!r}, no signature", token=unsigned(name)) for name in ("none", "None", "nOnE", "NONE", "")),
    *(Case(name=f"alg: {name!r}, some signature", token=unsigned(name, b"x" * 256)) for name in ("none", "nOnE")),
    Case(name="alg: HS256 with the RSA key as secret", token=confused("rsa")),
    Case(name="alg: HS256 with the EC key as secret", token=confused("ec")),
    Case(name="alg: RS256 in the header of an HMAC", token=confused("rsa", "RS256")),
    Case(name="alg: missing", token=header(alg=None)),
    *(
        Case(name=f"alg: {value!r}", token=header(alg=value))
        for value in ("rs256", "RS256 ", 256, ["RS256"], {"RS256": 1}, True)
    ),
    Case(
        name="alg: right, and not one of the issuer's",
        token=lambda scene: _fits(scene, "RS512"),
        keys=lambda scene: [scene.rsa.jwk(alg=None)],
    ),
    Case(
        name="alg: PS256, not one of the issuer's",
        token=lambda scene: _fits(scene, "PS256"),
        keys=lambda scene: [scene.rsa.jwk(alg=None)],
    ),
    Case(
        name="alg: EdDSA, not one of the issuer's",
        token=lambda scene: scene.token(signing_key("edwards", "EdDSA")),
        keys=lambda _: [signing_key("edwards", "EdDSA").jwk()],
    ),
    Case(
        name="alg: RS512 that is asked for",
        token=lambda scene: _fits(scene, "RS512"),
        keys=lambda scene: [scene.rsa.jwk(alg=None)],
        trust={"algorithms": ("RS512",)},
        outcome=ACCEPTED,
    ),
    Case(name="crit: unknown", token=header(crit=["urn:x"], **{"urn:x": 1})),
    Case(name="crit: exp", token=header(crit=["exp"], exp=1)),
    Case(name="crit: empty", token=header(crit=[])),
    Case(name="b64: false", token=header(b64=False)),
    Case(name="b64: false and critical", token=header(b64=False, crit=["b64"])),
    *(
        Case(name=f"own key: {name}, signed with it", token=with_own_key(**{name: value}))
        for name, value in (
            ("jwk", signing_key("stranger").jwk(kid="rsa")),
            ("jku", "http://127.0.0.1:1/keys"),
            ("x5u", "http://127.0.0.1:1/c"),
            ("x5c", ["MIIB"]),
        )
    ),
    *(
        Case(name=f"own key: {name} beside a good signature", token=header(**{name: "x"}))
        for name in ("jwk", "jku", "x5u", "x5c")
    ),
    Case(name="kid: another key's", token=lambda scene: scene.token(header={"kid": "ec"})),
    Case(name="kid: unknown, though a key verifies", token=header(kid="elsewhere")),
    Case(name="kid: absent, with two keys", token=header(kid=None)),
    Case(
        name="kid: absent, with one key", token=header(kid=None), keys=lambda scene: [scene.rsa.jwk()], outcome=ACCEPTED
    ),
    *(
        Case(name=f"kid: {kid!r}", token=header(kid=kid))
        for kid in (
            1,
            True,
            [],
            ["rsa"],
            {"rsa": 1},
            "",
            "../../etc/passwd",
            "' OR 1=1--",
            "http://127.0.0.1:1/k",
            "rsa\0",
            "RSA",
        )
    ),
    Case(
        name="kid: of 300 characters",
        token=lambda scene: scene.token(header={"kid": "k" * 300}),
        keys=lambda scene: [scene.rsa.jwk(kid="k" * 300)],
    ),
    Case(
        name="kid: of 256 characters",
        token=lambda scene: scene.token(header={"kid": "k" * 256}),
        keys=lambda scene: [scene.rsa.jwk(kid="k" * 256)],
        outcome=ACCEPTED,
    ),
    *(
        Case(name=f"typ: {typ!r}", token=header(typ=typ))
        for typ in ("logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", "", 1, ["JWT"])
    ),
    *(
        Case(name=f"typ: {typ!r}", token=header(typ=typ), outcome=ACCEPTED)
        for typ in (None, "jwt", "at+jwt", "application/at+JWT")
    ),
    *(
        Case(name=f"typ: {typ!r} where at+jwt is asked for", token=header(typ=typ), trust={"typ": "at+jwt"})
        for typ in (None, "JWT")
    ),
    Case(
        name="typ: at+jwt where it is asked for", token=header(typ="at+jwt"), trust={"typ": "at+jwt"}, outcome=ACCEPTED
    ),
    Case(name="header: one that says nothing to us", token=header(x5t="abc", zip="DEF", note=1), outcome=ACCEPTED),
]
SIGNATURE = [
    Case(name="good: RS256", outcome=ACCEPTED),
    Case(name="good: ES256", token=lambda scene: scene.token(scene.ec), outcome=ACCEPTED),
    Case(name="signature: one character is another", token=edited(flipped_signature)),
    Case(name="signature: of other claims", token=edited(other_claims)),
    Case(
        name="signature: by a stranger, with a known key id",
        token=lambda scene: signing_key("stranger").token(scene.header(), scene.claims()),
    ),
    Case(name="signature: as DER", token=der_signature),
    Case(
        name="signature: r and s are zero",
        token=lambda scene: compact_token(scene.header(scene.ec), scene.claims(), bytes(64)),
    ),
    Case(
        name="signature: RSA by the number zero",
        token=lambda scene: compact_token(scene.header(), scene.claims(), bytes(256)),
    ),
    Case(
        name="signature: of another curve",
        token=lambda scene: signing_key("long", "ES384").token(scene.header(scene.ec), scene.claims()),
    ),
    Case(name="signature: cut off", token=lambda scene: scene.token()[:-4]),
    Case(
        name="signature: of an EC key in an RSA token",
        token=lambda scene: scene.ec.token(scene.header(), scene.claims()),
    ),
]
TOKEN_CASES = (*FORM, *JSON, *HEADER, *SIGNATURE)
