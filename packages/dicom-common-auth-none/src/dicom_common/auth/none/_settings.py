"""Who everybody is, and the one place where that is checked."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.core import ConfigError, validate_tenant

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[auth]` in the configuration. What the principal may do is the policy's to say, as of any other.

    Raises:
        ConfigError: the tenant is not valid, or a text is empty.
    """

    tenant: str
    """The tenant whose data every caller reaches. There is no default: an operator has to decide."""
    subject: str = "everybody"
    """The name of the caller in the audit trail."""
    scopes: tuple[str, ...] = ()
    """Scopes that every caller has; the table `[policy]` says what they allow."""
    roles: tuple[str, ...] = ()
    """Roles that every caller has."""
    permissions: tuple[str, ...] = ()
    """Permissions that every caller has."""

    def __post_init__(self) -> None:
        """Refuse what no token could say."""
        validate_tenant(self.tenant)
        for name in ("scopes", "roles", "permissions"):
            if "" in getattr(self, name):
                raise ConfigError(f"The setting auth.{name} has an empty text: remove it.")
        if not self.subject:
            raise ConfigError("The setting auth.subject is empty: give a name, or leave it out.")
