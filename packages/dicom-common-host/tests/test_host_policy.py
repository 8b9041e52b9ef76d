from __future__ import annotations

import itertools

import pytest

from dicom_common.core import AuthorizationError, ConfigError, Principal
from dicom_common.host import Action, Config, Needs, Policy, authorize


def principal(**has: frozenset[str]) -> Principal:
    return Principal(subject="somebody", tenant="a", **has)


def may(policy: Policy, who: Principal, action: Action) -> bool:
    try:
        authorize(policy, who, action)
    except AuthorizationError:
        return False
    return True


def test_a_refusal_names_the_action_and_not_the_caller() -> None:
    with pytest.raises(AuthorizationError, match="delete") as caught:
        authorize(Policy(), principal(), Action.DELETE)
    assert "somebody" not in str(caught.value)


@pytest.mark.parametrize("action", Action)
def test_an_action_without_needs_is_denied_to_everybody(action: Action) -> None:
    everything = frozenset(["", "admin", "*", action.value])
    assert not may(Policy(), principal(scopes=everything, roles=everything, permissions=everything), action)


@pytest.mark.parametrize(("granted", "asked"), list(itertools.product(Action, Action)))
def test_needs_hold_for_their_own_action_only(granted: Action, asked: Action) -> None:
    policy = Policy(**{granted.value: Needs(scopes=("s",))})
    assert may(policy, principal(scopes=frozenset("s")), asked) is (granted is asked)


@pytest.mark.parametrize("has", list(itertools.product((False, True), repeat=3)))
def test_one_entry_of_each_list_that_is_named_is_needed(has: tuple[bool, bool, bool]) -> None:
    names = ("scopes", "roles", "permissions")
    policy = Policy(search=Needs(**{name: (f"{name}-1", f"{name}-2") for name in names}))
    who = principal(**{name: frozenset([f"{name}-2"]) for name, had in zip(names, has, strict=True) if had})
    assert may(policy, who, Action.SEARCH) is all(has)


@pytest.mark.parametrize("near", ["dicom:fullest", "dicom:ful", "DICOM:FULL", "xdicom:full", " dicom:full"])
def test_entries_are_compared_whole(near: str) -> None:
    policy = Policy(store=Needs(scopes=("dicom:full",)))
    assert not may(policy, principal(scopes=frozenset([near])), Action.STORE)


def test_a_role_is_not_a_scope() -> None:
    policy = Policy(store=Needs(scopes=("a",)))
    assert not may(policy, principal(roles=frozenset("a"), permissions=frozenset("a")), Action.STORE)


def test_the_policy_is_read_from_the_configuration() -> None:
    config = Config.load(overrides={"policy.store": {"roles": ["r"]}}, variables={})
    assert config.section("policy", Policy) == Policy(store=Needs(roles=("r",)))


def test_an_empty_entry_is_refused_by_the_configuration() -> None:
    config = Config.load(overrides={"policy.store": {"roles": [""]}}, variables={})
    with pytest.raises(ConfigError, match="empty"):
        config.section("policy", Policy)
