"""Each check is needed: without it, the contract of authenticators fails.

The checks are found in the modules, not listed here: one that is added without a case in the attack table fails.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import dicom_common.auth.jose as package
from dicom_common.auth.jose._check import Check
from dicom_common.testing import AUTHENTICATOR_CASES, Case, IdentityProvider, OpenAuthenticator, play_case


def tables() -> Iterator[tuple[str, str, Check]]:
    """Give module, table and check of every check that the package has."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for name, value in vars(importlib.import_module(found.name)).items():
            # A table that another module has imported is the same one under the same name.
            if isinstance(value, tuple) and not isinstance(value, Check) and value and isinstance(value[0], Check):
                yield from ((found.name, name, check) for check in value)


CHECKS = {check.name: check for _, _, check in tables()}
PLACES = {name: [(module, table) for module, table, check in tables() if check.name == name] for name in CHECKS}


def holds(case: Case, open_authenticator: OpenAuthenticator, provider: IdentityProvider) -> bool:
    try:
        play_case(case, open_authenticator, provider)
    except Exception:  # noqa: BLE001 - any other error is a failure of the contract too
        return False
    return True


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as provider:
        yield provider


def test_the_names_of_checks_are_their_own() -> None:
    assert len({id(check) for _, _, check in tables()}) == len(CHECKS)
    assert len(CHECKS) > 30


@pytest.mark.filterwarnings("ignore:Attempting to verify a message with a private key")  # without the check, it does
@pytest.mark.parametrize("name", CHECKS)
def test_without_this_check_a_case_of_the_contract_fails(
    name: str,
    open_authenticator: OpenAuthenticator,
    provider: IdentityProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, table in PLACES[name]:
        checks = getattr(importlib.import_module(module), table)
        left = tuple(check for check in checks if check.name != name)
        monkeypatch.setattr(f"{module}.{table}", left)
    related = name.partition("-")[2]
    # Those that are likely to fail go first, so that few are played.
    cases = sorted(AUTHENTICATOR_CASES, key=lambda case: related not in case.name)
    assert not all(holds(case, open_authenticator, provider) for case in cases), f"{name} can be left out unseen"


def test_with_all_checks_every_case_of_the_contract_holds(
    open_authenticator: OpenAuthenticator, provider: IdentityProvider
) -> None:
    assert [case.name for case in AUTHENTICATOR_CASES[::10] if not holds(case, open_authenticator, provider)] == []
