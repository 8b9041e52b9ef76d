"""Who everybody is, and the one place where that is checked."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.core import ConfigError, validate_tenant

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[auth]` in the configuration. What the principal may do is the policy's to say, as of any other.

    Raises:
        ConfigError: the tenant is none, or a text is empty.
    """

    tenant: str
    """Whose data everybody reaches. There is no default: it has to be somebody's decision."""
    subject: str = "everybody"
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no token could say."""
        validate_tenant(self.tenant)
        for name in ("scopes", "roles", "permissions"):
            if "" in getattr(self, name):
                raise ConfigError(f"The setting auth.{name} has an empty text: remove it.")
        if not self.subject:
            raise ConfigError("The setting auth.subject is empty: give a name, or leave it out.")
