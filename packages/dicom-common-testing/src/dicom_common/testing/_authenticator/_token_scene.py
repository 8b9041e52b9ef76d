"""What a case of the attack table is, and how it is played: a provider, an authenticator that trusts it, one token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dicom_common.core import AuthenticationError, Authenticator, Principal, UnavailableError
from dicom_common.testing._authenticator._identity_provider import Answer, IdentityProvider
from dicom_common.testing._authenticator._token_keys import SigningKey, signing_key

__all__ = ["Case", "OpenAuthenticator", "Outcome", "Scene", "SteppedClock", "Trust", "play"]

AUDIENCE = "dicom-common"


class SteppedClock:
    """A clock that goes on by `advance` only."""

    def __init__(self) -> None:
        self._now = 1_900_000_000.0

    def time(self) -> float:
        """Seconds since 1970."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What an authenticator is configured to accept.

    The tenant is the claim `tenant`; scopes are in `scope`; roles in `realm_access.roles` and in
    `resource_access["wado-rs-api"].roles`; permissions in `permissions`.
    """

    issuer: str
    jwks_uri: str
    """Empty: discovery."""
    audiences: tuple[str, ...] = (AUDIENCE,)
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    typ: str = "any"
    """`at+jwt`: only tokens with this in their header; `any`: also `JWT`, and none."""
    authorized_parties: tuple[str, ...] = ()
    required_claims: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    """Those that the issuer may name; empty: any."""
    ca: Path | None = None
    """The authority that has signed the provider's certificate."""
    leeway: float = 30.0
    key_seconds: float = 600.0
    stale_seconds: float = 3600.0
    cool_down: float = 15.0
    time_limit: float = 10.0


OpenAuthenticator = Callable[[Trust, SteppedClock], Authenticator]
"""What a test file gives: an authenticator with this trust, to which the clock tells the time, for claims and keys."""


class Scene:
    """A provider with the keys `rsa` (RS256) and `ec` (ES256), and the claims of a good token."""

    def __init__(self, provider: IdentityProvider, clock: SteppedClock) -> None:
        self.provider, self.clock = provider, clock
        self.rsa, self.ec = signing_key("rsa"), signing_key("ec", "ES256")
        self.stack = ExitStack()
        """What ends with the scene."""

    def plain_keys(self) -> str:
        """Publish the same keys without TLS, and return where."""
        plain = self.stack.enter_context(IdentityProvider())
        plain.keys = self.provider.keys
        return plain.jwks_uri

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims with changes; a claim that is set to None is left out."""
        now = int(self.clock.time())
        claims = {
            "iss": self.provider.issuer,
            "aud": AUDIENCE,
            "sub": "radiologist-7",
            "iat": now - 10,
            "exp": now + 300,
            "tenant": "clinic-a",
            "scope": "dicom:read dicom:write",
            "realm_access": {"roles": ["reader", "Night Shift"]},
            "resource_access": {"wado-rs-api": {"roles": ["full"]}, "other-api": {"roles": ["root"]}},
            "permissions": ["export"],
        }
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def header(self, key: SigningKey | None = None, **changes: Any) -> dict[str, Any]:
        """Return the header of a good token with changes; what is set to None is left out."""
        key = key or self.rsa
        header = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid}
        return {name: value for name, value in (header | changes).items() if value is not None}

    def token(self, key: SigningKey | None = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that is signed with a key, `rsa` if none is named."""
        key = key or self.rsa
        return key.token(self.header(key, **(header or {})), self.claims(**claims))

    def trust(self, **changes: Any) -> Trust:
        """Return a trust in the provider."""
        provider = self.provider
        return replace(Trust(issuer=provider.issuer, jwks_uri=provider.jwks_uri, ca=provider.ca), **changes)


class Outcome(StrEnum):
    """What an authenticator makes of a token."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A token, what is published, what is trusted; and what has to come of it."""

    name: str
    token: Callable[[Scene], str] = Scene.token
    outcome: Outcome = Outcome.REFUSED
    trust: Mapping[str, Any] = field(default_factory=dict)
    """Changes of the trust."""
    keys: Callable[[Scene], list[Any]] = lambda scene: [scene.rsa.jwk(), scene.ec.jwk()]
    answer: Answer = Answer()  # noqa: RUF009 - it is frozen
    discovery: Callable[[Scene], Mapping[str, Any]] | None = None
    """Changes of the discovery document; with it the trust has no `jwks_uri`."""
    tls: bool = False
    trusted_ca: bool = True


@dataclass(frozen=True)
class Played:
    """The outcome of a case."""

    outcome: Outcome
    token: str
    principal: Principal | None = None
    error: AuthenticationError | UnavailableError | None = None


@contextmanager
def staged(case: Case, clock: SteppedClock, plain: IdentityProvider) -> Iterator[Scene]:
    """Let the provider do what the case says; start one with TLS for a case that needs it."""
    with ExitStack() as stack:
        provider = plain
        if case.tls:
            folder = stack.enter_context(TemporaryDirectory())
            provider = stack.enter_context(IdentityProvider(Path(folder)))
        scene = Scene(provider, clock)
        provider.keys, provider.answer = case.keys(scene), case.answer
        provider.discovery = case.discovery(scene) if case.discovery is not None else {}
        if not case.trusted_ca:
            provider.ca = None
        with scene.stack:
            yield scene


def play(case: Case, open_authenticator: OpenAuthenticator, plain: IdentityProvider) -> Played:
    """Play a case. Errors that an authenticator must not raise are passed on."""
    clock = SteppedClock()
    with staged(case, clock, plain) as scene:
        trust = scene.trust(**({"jwks_uri": ""} if case.discovery is not None else {}), **case.trust)
        token = case.token(scene)
        authenticator = open_authenticator(trust, clock)
        try:
            return Played(Outcome.ACCEPTED, token, principal=authenticator.authenticate(token))
        except AuthenticationError as error:
            return Played(Outcome.REFUSED, token, error=error)
        except UnavailableError as error:
            return Played(Outcome.UNAVAILABLE, token, error=error)
        finally:
            authenticator.close()
