"""What a principal may do: pure data from the configuration, and one function that judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dicom_common.core import AuthorizationError, Principal

__all__ = ["Action", "Needs", "Policy", "authorize"]


class Action(StrEnum):
    """What can be asked of the library on behalf of a caller."""

    STORE = "store"
    SEARCH = "search"
    RETRIEVE = "retrieve"
    DELETE = "delete"
    ADMINISTER = "administer"


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What one action needs, a table such as `[policy.store]`. Where it is empty, the action is denied.

    Of each list that is not empty the principal must have one entry: with `scopes` and `roles`, a scope and a role.
    Entries are compared whole, upper and lower case told apart.

    Raises:
        ValueError: an entry is empty.
    """

    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty entry: only tokens with an empty role would have it."""
        if "" in (*self.scopes, *self.roles, *self.permissions):
            raise ValueError("an empty text is no scope, role or permission: remove it")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The table `[policy]`: what each action needs. An action without an entry is denied to every caller."""

    store: Needs = field(default_factory=Needs)
    search: Needs = field(default_factory=Needs)
    retrieve: Needs = field(default_factory=Needs)
    delete: Needs = field(default_factory=Needs)
    administer: Needs = field(default_factory=Needs)


def authorize(policy: Policy, principal: Principal, action: Action) -> None:
    """Let a principal do an action, in its own tenant, or refuse.

    Raises:
        AuthorizationError: it may not; the message names the action and no part of the principal.
    """
    needs: Needs = getattr(policy, action.value)
    pairs: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
        (needs.scopes, principal.scopes),
        (needs.roles, principal.roles),
        (needs.permissions, principal.permissions),
    )
    named = [(wanted, has) for wanted, has in pairs if wanted]
    # `all` of nothing is true: an action without requirements was never configured.
    if not named or not all(has.intersection(wanted) for wanted, has in named):
        raise AuthorizationError(f"The caller may not {action.value}: the table [policy.{action.value}] says who may.")
