"""The settings of the authenticator, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from dicom_common.auth.jose._claim_paths import compiled, refuse_many
from dicom_common.auth.jose._signatures import ALGORITHMS
from dicom_common.auth.jose._urls import refuse_url
from dicom_common.core import ConfigError, Limits, Secret, validate_tenant
from dicom_common.core.tls import Tls

__all__ = ["Issuer", "Settings"]

_ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One of `[[auth.issuers]]`: whose tokens are taken, which of them, and what they say.

    The paths are JSONPath (RFC 9535) into the claims, such as `$.realm_access.roles`.

    Raises:
        ConfigError: something cannot work, or would let more in than was meant.
    """

    issuer: str
    """The claim `iss`, compared as a whole; without `jwks_uri` also where discovery begins."""
    audiences: tuple[str, ...]
    """The claim `aud` of a token must have one of these, compared as a whole: what this service is called there."""
    jwks_uri: str = ""
    """Where the keys are published; empty: what the discovery document says (OpenID Connect Discovery 1.0, 4)."""
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    """The signatures that are taken: RS256 to RS512, ES256 to ES512."""
    typ: Literal["any", "at+jwt"] = "any"
    """`at+jwt`: only tokens whose header says so (RFC 9068). `any`: also `JWT` and none, as many providers have it."""
    authorized_parties: tuple[str, ...] = ()
    """The clients, by the claim `azp` or else `client_id`, whose tokens are taken; empty: all."""
    required_claims: tuple[str, ...] = ()
    """Claims that must be there, beside `iss`, `aud`, `exp`, `sub` and the tenant; such as `iat` and `jti`."""
    tenant: str = ""
    """The tenant of all tokens of this issuer; empty: `tenant_claim` has it."""
    tenant_claim: str = "$.tenant"
    """Where a token has its tenant: exactly one text."""
    tenants: tuple[str, ...] = ()
    """The tenants that this issuer may name in `tenant_claim`; `*` for any. Needed where there are several issuers."""
    scope_claims: tuple[str, ...] = ("$.scope",)
    """Where the scopes are: a text of words separated by a space, or a list."""
    role_claims: tuple[str, ...] = ()
    """Where the roles are: a list, or one text. Keycloak: `$.realm_access.roles`,
    `$.resource_access['wado-rs-api'].roles`."""
    permission_claims: tuple[str, ...] = ()
    """Where the permissions are: a list, or one text."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.issuer:
            raise ConfigError("issuer is empty: write the claim iss of its tokens")
        if not self.audiences or "" in self.audiences:
            raise ConfigError(f"audiences of the issuer {self.issuer} has to name what this service is called there")
        refuse_url(self.jwks_uri or self.issuer, "jwks_uri" if self.jwks_uri else "issuer (without a jwks_uri)")
        _refuse_algorithms(self.algorithms, self.issuer)
        if self.tenant:
            validate_tenant(self.tenant)
        if self.tenant and self.tenants:
            raise ConfigError(f"tenant and tenants of the issuer {self.issuer} exclude each other: set one of them")
        for tenant in self.tenants:
            if tenant != _ANY:
                validate_tenant(tenant)
        for path in (self.tenant_claim, *self.scope_claims, *self.role_claims, *self.permission_claims):
            compiled(path)
        refuse_many(self.tenant_claim)

    def may_name(self, tenant: str) -> bool:
        """Tell whether a token of this issuer may be one of a tenant."""
        return not self.tenants or _ANY in self.tenants or tenant in self.tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[auth]` in the configuration.

    Raises:
        ConfigError: they contradict each other, or a number is out of its range.
    """

    issuers: tuple[Issuer, ...]
    """Whose tokens are taken: tables `[[auth.issuers]]`."""
    leeway: Annotated[float, Limits(0, 60)] = 30.0
    """How far clocks may differ, in seconds: for `exp`, `nbf` and `iat`."""
    key_seconds: Annotated[float, Limits(5, 3600)] = 600.0
    """How long published keys are used, in seconds; fetched again, in the background, after 75 % of it. A key
    that was withdrawn ends within this time."""
    stale_seconds: Annotated[float, Limits(0, 86_400)] = 3600.0
    """For how many seconds longer they are used while they cannot be fetched. 0: not at all."""
    cool_down: Annotated[float, Limits(1, 300)] = 15.0
    """Seconds within which tokens with unknown key ids cause no more than one fetch."""
    time_limit: Annotated[float, Limits(0.1, 30)] = 5.0
    """Seconds for a fetch as a whole."""
    cache_secret: Secret = Secret("")
    """With it, fetched keys are shared by way of `[cache]`, authenticated by it: 32 characters or more, the same in all
    processes. Without it each process fetches its own."""
    tls: Tls = field(default_factory=Tls)
    """The authorities by which the issuers' servers are verified, and our own certificate."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.issuers:
            raise ConfigError("the authenticator needs at least one issuer: add a table [[auth.issuers]]")
        names = [issuer.issuer for issuer in self.issuers]
        if len(set(names)) != len(names):
            raise ConfigError("an issuer stands twice in [[auth.issuers]]: make one table of the two")
        for issuer in self.issuers if len(names) > 1 else ():
            if not (issuer.tenant or issuer.tenants):
                raise ConfigError(
                    f"with several issuers, each says whose tokens it issues: set tenant or tenants of {issuer.issuer}"
                )
        if self.cache_secret and len(self.cache_secret.reveal()) < 32:
            raise ConfigError("cache_secret has to have 32 characters or more, such as openssl rand -hex 32 prints")
        if self.tls.mode == "off":
            raise ConfigError("tls.mode of the authenticator cannot be off: the scheme of an issuer's URL decides")


def _refuse_algorithms(algorithms: tuple[str, ...], issuer: str) -> None:
    known = ", ".join(ALGORITHMS)
    if not algorithms:
        raise ConfigError(f"algorithms of the issuer {issuer} is empty: name some of {known}")
    for algorithm in algorithms:
        if algorithm in ALGORITHMS:
            continue
        if algorithm.startswith("PS") or algorithm in ("EdDSA", "Ed25519", "Ed448", "ES256K"):
            raise ConfigError(
                f"algorithms of the issuer {issuer}: python-jose has no {algorithm}; let the provider sign with"
                f" one of {known}, or use another auth plugin"
            )
        if algorithm.startswith("HS") or algorithm.lower() == "none":
            raise ConfigError(
                f"algorithms of the issuer {issuer}: {algorithm} is never accepted: who can verify it can forge it."
                f" Use one of {known}"
            )
        raise ConfigError(f"algorithms of the issuer {issuer}: {algorithm!r} is not one of {known}")
