from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from dicom_common.auth.none import NoAuthenticator, Settings
from dicom_common.core import (
    MAX_TOKEN_BYTES,
    AuthenticationError,
    AuthorizationError,
    BackendError,
    ConfigError,
    HealthStatus,
    LetsEverybodyIn,
    Principal,
)
from dicom_common.host import Action, Config, Policy, Services, authorize, require_loopback
from dicom_common.testing import health_of

CONFIGURATION = """
[auth]
backend = "none"
tenant = "north"
subject = "developer"
roles = ["reader"]

[policy.search]
roles = ["reader"]
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "dicom-common.toml"
    file.write_text(CONFIGURATION)
    return file


def test_everybody_is_the_principal_of_the_configuration_and_the_policy_still_holds(configuration: Path) -> None:
    with Services.from_file(configuration) as services:
        principal = services.auth.authenticate("whatever")
        policy = services.settings("policy", Policy)
    assert principal == Principal(subject="developer", tenant="north", roles=frozenset(["reader"]))
    authorize(policy, principal, Action.SEARCH)
    with pytest.raises(AuthorizationError):
        authorize(policy, principal, Action.DELETE)


def test_nobody_gets_it_without_asking_for_it_by_name(tmp_path: Path) -> None:
    assert Config.load(overrides={"data": str(tmp_path)}).backend("auth") is None
    file = tmp_path / "dicom-common.toml"
    file.write_text('[auth]\nbackend = "none"\n')
    with Services.from_file(file) as services, pytest.raises(ConfigError, match="tenant"):
        _ = services.auth


def test_a_front_end_with_it_listens_on_loopback_only(configuration: Path) -> None:
    with Services.from_file(configuration) as services:
        auth = services.auth
        assert isinstance(auth, LetsEverybodyIn)
        assert auth.everybody() == auth.authenticate("")
        require_loopback(auth, "127.0.0.1")
        with pytest.raises(ConfigError, match="loopback only"):
            require_loopback(auth, "0.0.0.0")


def test_it_says_loudly_what_it_is(configuration: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Services.from_file(configuration) as services:
        health = services.check()["auth"]
    assert health.status is HealthStatus.DEGRADED
    assert "NO AUTHENTICATION" in health.detail
    assert "'north'" in health.detail
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text for text in warnings if "NO AUTHENTICATION" in text] == warnings
    assert len(warnings) == 1


TEXTS = st.text(st.characters(exclude_categories=()), max_size=200)  # lone surrogates too: JSON can hold them


@given(TEXTS)
@example("\ud800")
@example("x" * MAX_TOKEN_BYTES)
def test_no_token_makes_anybody_else_of_the_caller(token: str) -> None:
    auth = NoAuthenticator(Settings(tenant="north"))
    assert auth.authenticate(token) == Principal(subject="everybody", tenant="north")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("x" * (MAX_TOKEN_BYTES + 1), id="characters"),
        pytest.param("é" * (MAX_TOKEN_BYTES // 2 + 1), id="bytes"),
        pytest.param(b"bytes", id="no text"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_is_no_token_at_all_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        NoAuthenticator(Settings(tenant="north")).authenticate(token)
    assert "xx" not in str(caught.value)


@pytest.mark.parametrize("tenant", ["", "North", "../south", "north/", "n" * 64, "-north", "north\n"])
def test_a_tenant_that_is_none_is_refused(tenant: str) -> None:
    with pytest.raises(ConfigError, match="is not a tenant id"):
        Settings(tenant=tenant)


@pytest.mark.parametrize("name", ["scopes", "roles", "permissions"])
def test_an_empty_scope_role_or_permission_is_refused(name: str) -> None:
    listed: dict[str, Any] = {name: ("reader", "")}
    with pytest.raises(ConfigError, match=name):
        Settings(tenant="north", **listed)
    with pytest.raises(ConfigError, match="subject"):
        Settings(tenant="north", subject="")


def test_one_that_is_closed_lets_nobody_in() -> None:
    auth = NoAuthenticator(Settings(tenant="north"))
    auth.close()
    auth.close()
    for call in (auth.everybody, lambda: auth.authenticate("token")):
        with pytest.raises(BackendError, match="closed"):
            call()
    assert health_of(auth).status is HealthStatus.FAILED
