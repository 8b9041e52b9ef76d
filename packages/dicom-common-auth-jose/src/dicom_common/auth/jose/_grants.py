"""From verified claims to a principal: the tenant, scopes, roles and permissions, each by its paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dicom_common.auth.jose._check import Check, refuse
from dicom_common.auth.jose._claim_paths import Find, compiled
from dicom_common.auth.jose._claim_rules import texts
from dicom_common.auth.jose._settings import Issuer
from dicom_common.core import ConfigError, Principal, validate_tenant

__all__ = ["GRANT_CHECKS", "TENANT_CHECKS", "Grants", "Tenancy"]


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What stands where the tenant should, and the issuer that wrote it."""

    found: list[Any] = field(repr=False)
    issuer: Issuer


def _is_tenant(tenancy: Tenancy) -> bool:
    try:
        validate_tenant(tenancy.found[0])
    except (ConfigError, TypeError, IndexError):
        return False
    return True


TENANT_CHECKS = (
    Check("tenant-id", _is_tenant, "The token has no tenant, or one that is not a valid tenant id."),
    Check(
        "tenant-of-issuer",
        lambda tenancy: tenancy.issuer.may_name(tenancy.found[0]),
        "The token's issuer may not name this tenant.",
    ),
)
GRANT_CHECKS = (
    Check(
        "grant-texts",
        lambda found: None not in found,
        "The token has scopes, roles or permissions that are not texts.",
    ),
)


class Grants:
    """What the claims of an issuer's tokens grant."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._tenant = compiled(issuer.tenant_claim)
        self._scopes = [compiled(path) for path in issuer.scope_claims]
        self._roles = [compiled(path) for path in issuer.role_claims]
        self._permissions = [compiled(path) for path in issuer.permission_claims]

    def principal(self, claims: dict[str, Any]) -> Principal:
        """Return whom verified claims stand for.

        Raises:
            AuthenticationError: the tenant is missing or not the issuer's, or a grant is no text.
        """
        return Principal(
            subject=claims["sub"],
            tenant=self._issuer.tenant or self._named_tenant(claims),
            # A scope has no space in it (RFC 6749 3.3), a role may.
            scopes=frozenset(word for text in _found(self._scopes, claims) for word in text.split(" ") if word),
            roles=frozenset(_found(self._roles, claims)),
            permissions=frozenset(_found(self._permissions, claims)),
        )

    def _named_tenant(self, claims: dict[str, Any]) -> str:
        found = self._tenant(claims)
        refuse(TENANT_CHECKS, Tenancy(found, self._issuer))
        tenant: str = found[0]
        return tenant


def _found(paths: list[Find], claims: dict[str, Any]) -> list[str]:
    found = [texts(value) for find in paths for value in find(claims)]
    refuse(GRANT_CHECKS, found)
    return [text for part in found for text in part or ()]
