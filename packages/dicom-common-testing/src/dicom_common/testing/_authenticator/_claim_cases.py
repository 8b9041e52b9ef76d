"""The attack table, second part: claims, of which each token is signed as it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dicom_common.testing._authenticator._token_cases import ACCEPTED, after, claims
from dicom_common.testing._authenticator._token_scene import AUDIENCE, Case, Scene

__all__ = ["CLAIM_CASES"]

LEEWAY = {"leeway": 30.0}
HUGE = 10**400
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


def issued_by(edit: Callable[[str], Any]) -> Callable[[Scene], str]:
    """Make a token with an issuer that is not the right one."""
    return lambda scene: scene.token(iss=edit(scene.provider.issuer))


ISSUER = [
    Case(name="iss: missing", token=claims(iss=None)),
    *(
        Case(name=f"iss: {name}", token=issued_by(edit))
        for name, edit in {
            "with a slash behind it": lambda iss: f"{iss}/",
            "with more behind it": lambda iss: f"{iss}.attacker.example",
            "a part of it": lambda iss: iss[:-1],
            "in capitals": lambda iss: iss.upper(),
            "in a list": lambda iss: [iss],
            "in an object": lambda iss: {iss: iss},
            "a number": lambda _: 1,
            "a stranger": lambda _: "https://attacker.example",
        }.items()
    ),
]
BAD_SUBJECTS: Mapping[str, Any] = {
    "missing": None,
    "empty": "",
    "a number": 7,
    "a list": ["x"],
    "too long": "x" * 256,
    "with a line break": "x\nforged log line",
    "with a NUL": "x\0",
    "with a lone surrogate": "x\ud800",
}
BAD_TENANTS: Mapping[str, Any] = {
    "missing": None,
    "empty": "",
    "a number": 7,
    "two": ["clinic-a", "clinic-b"],
    "a list of one": ["clinic-a"],
    "an object": {"id": "clinic-a"},
    "a path": "../clinic-b",
    "capitals": "Clinic-A",
    "a slash": "clinic/a",
    "a line break": "clinic-a\n",
    "a wildcard": "*",
    "too long": "a" * 64,
}
BAD_AUDIENCES: tuple[Any, ...] = (
    *(None, "", [], [[]], 1, {}, {AUDIENCE: 1}, [{}], [AUDIENCE, 1], [f"{AUDIENCE}-2"]),
    *(f"{AUDIENCE}x", AUDIENCE[:-1], AUDIENCE.upper(), f"{AUDIENCE} ", f"other {AUDIENCE}"),
)
BAD_GRANTS: tuple[Any, ...] = (7, True, {}, [7], [["x"]], [None])
AUDIENCES = [
    *(Case(name=f"aud: {value!r}", token=claims(aud=value)) for value in BAD_AUDIENCES),
    Case(name="aud: one of several", token=claims(aud=["other", AUDIENCE]), outcome=ACCEPTED),
]
TIMES = [
    Case(name="exp: missing", token=claims(exp=None)),
    Case(name="exp: a second beyond the leeway", token=after(exp=-31), trust=LEEWAY),
    Case(name="exp: at the leeway", token=after(exp=-30), trust=LEEWAY),
    Case(name="exp: a second within the leeway", token=after(exp=-29), trust=LEEWAY, outcome=ACCEPTED),
    Case(name="exp: no leeway", token=after(exp=0), trust={"leeway": 0.0}),
    Case(name="exp: a fraction", token=after(exp=10.5), outcome=ACCEPTED),
    Case(name="nbf: a second beyond the leeway", token=after(nbf=31), trust=LEEWAY),
    Case(name="nbf: a second within the leeway", token=after(nbf=29), trust=LEEWAY, outcome=ACCEPTED),
    Case(name="iat: a second beyond the leeway", token=after(iat=31), trust=LEEWAY),
    Case(name="iat: a second within the leeway", token=after(iat=29), trust=LEEWAY, outcome=ACCEPTED),
    Case(name="iat: in a far future", token=after(iat=10**9, exp=2 * 10**9)),
    Case(name="iat: missing", token=claims(iat=None), outcome=ACCEPTED),
    *(
        Case(name=f"{name}: {label}", token=claims(**{name: value}))
        for name in ("exp", "nbf", "iat")
        for label, value in {
            "a text": "1900000300",
            "a huge number": HUGE,
            "a huge negative number": -HUGE,
            "negative": -1,
            "infinite by its exponent": float("inf"),
            "true": True,
            "a list": [1],
            "an object": {},
        }.items()
    ),
]
PARTIES = [
    Case(name="azp: another client", token=claims(azp="other"), trust={"authorized_parties": ("viewer",)}),
    Case(name="azp: a longer name", token=claims(azp="viewer2"), trust={"authorized_parties": ("viewer",)}),
    Case(name="azp: a list", token=claims(azp=["viewer"]), trust={"authorized_parties": ("viewer",)}),
    Case(name="azp: missing", trust={"authorized_parties": ("viewer",)}),
    Case(
        name="azp: the client", token=claims(azp="viewer"), trust={"authorized_parties": ("viewer",)}, outcome=ACCEPTED
    ),
    Case(
        name="client_id: the client",
        token=claims(client_id="viewer"),
        trust={"authorized_parties": ("viewer",)},
        outcome=ACCEPTED,
    ),
    Case(
        name="client_id: against azp",
        token=claims(client_id="viewer", azp="other"),
        trust={"authorized_parties": ("viewer",)},
    ),
    Case(name="a required claim: missing", trust={"required_claims": ("jti",)}),
    Case(name="a required claim: there", token=claims(jti="1"), trust={"required_claims": ("jti",)}, outcome=ACCEPTED),
]
KINDS = [
    *(Case(name=f"an ID token, by {name}", token=claims(**{name: "x"})) for name in ("at_hash", "c_hash", "s_hash")),
    *(
        Case(name=f"a token for something else, by typ {typ!r}", token=claims(typ=typ))
        for typ in ("ID", "Refresh", "Logout", 1)
    ),
    Case(name="a logout token, by events", token=claims(events={LOGOUT: {}})),
    Case(name="Keycloak's access token with a nonce", token=claims(typ="Bearer", nonce="n"), outcome=ACCEPTED),
    Case(name="Keycloak's ID token with a nonce", token=claims(typ="ID", nonce="n")),
    Case(name="Keycloak's access token", token=claims(typ="Bearer"), outcome=ACCEPTED),
    Case(name="an ID token, by nonce", token=claims(nonce="n")),
    Case(
        name="nonce in an at+jwt",
        token=lambda scene: scene.token(header={"typ": "at+jwt"}, nonce="n"),
        outcome=ACCEPTED,
    ),
    Case(name="bound to a key of its holder", token=claims(cnf={"jkt": "x"})),
]
SUBJECTS = [
    *(Case(name=f"sub: {label}", token=claims(sub=value)) for label, value in BAD_SUBJECTS.items()),
]
TENANTS = [
    *(Case(name=f"tenant: {label}", token=claims(tenant=value)) for label, value in BAD_TENANTS.items()),
    Case(name="tenant: not the issuer's", token=claims(tenant="clinic-b"), trust={"tenants": ("clinic-a",)}),
    Case(name="tenant: longer than the issuer's", token=claims(tenant="clinic-a2"), trust={"tenants": ("clinic-a",)}),
    Case(name="tenant: the issuer's", trust={"tenants": ("clinic-b", "clinic-a")}, outcome=ACCEPTED),
]
GRANTS = [
    *(
        Case(name=f"{name}: {value!r}", token=claims(**{name: value}))
        for name in ("scope", "permissions")
        for value in BAD_GRANTS
    ),
    Case(name="roles: a number", token=claims(realm_access={"roles": 7})),
    Case(name="roles: an object", token=claims(realm_access={"roles": {"administrator": True}})),
    Case(name="roles: a list of lists", token=claims(resource_access={"wado-rs-api": {"roles": [["full"]]}})),
    Case(
        name="roles: none, in a shape of its own", token=claims(realm_access=[], resource_access="x"), outcome=ACCEPTED
    ),
]
CLAIM_CASES = (*ISSUER, *AUDIENCES, *TIMES, *PARTIES, *KINDS, *SUBJECTS, *TENANTS, *GRANTS)
