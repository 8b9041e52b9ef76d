"""Several issuers, the configuration, and what is told of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_common.auth.jose import Issuer, JoseAuthenticator, Settings
from dicom_common.core import AuthenticationError, ConfigError, HealthStatus
from dicom_common.core.tls import Tls
from dicom_common.host import Config, Services
from dicom_common.testing import IdentityProvider, Scene, SteppedClock, health_of


@pytest.fixture
def clinics() -> Iterator[tuple[Scene, Scene]]:
    clock = SteppedClock()
    with IdentityProvider() as first, IdentityProvider() as second:
        scenes = (Scene(first, clock), Scene(second, clock))
        # The same key id at both, and not the same key.
        first.keys = [scenes[0].rsa.jwk(kid="1")]
        second.keys = [scenes[1].ec.jwk(kid="1")]
        yield scenes


def opened(scenes: tuple[Scene, Scene]) -> JoseAuthenticator:
    issuers = tuple(
        Issuer(issuer=scene.provider.issuer, audiences=("dicom-common",), tenants=(f"clinic-{letter}",))
        for scene, letter in zip(scenes, "ab", strict=True)
    )
    clock = scenes[0].clock
    return JoseAuthenticator(Settings(issuers=issuers, time_limit=2.0), clock=clock.time, monotonic=clock.monotonic)


def test_each_issuer_has_its_keys_and_its_tenants(clinics: tuple[Scene, Scene]) -> None:
    first, second = clinics
    authenticator = opened(clinics)
    assert authenticator.authenticate(first.token(header={"kid": "1"})).tenant == "clinic-a"
    token = second.token(second.ec, header={"kid": "1"}, tenant="clinic-b")
    assert authenticator.authenticate(token).tenant == "clinic-b"
    for wrong in (
        first.token(header={"kid": "1"}, tenant="clinic-b"),
        first.token(header={"kid": "1"}, iss=second.provider.issuer, tenant="clinic-b"),
        second.token(second.ec, header={"kid": "1"}, iss=first.provider.issuer),
    ):
        with pytest.raises(AuthenticationError):
            authenticator.authenticate(wrong)


def test_an_issuer_that_is_down_disturbs_no_other(clinics: tuple[Scene, Scene]) -> None:
    first, second = clinics
    second.provider.stop()
    authenticator = opened(clinics)
    authenticator.authenticate(first.token(header={"kid": "1"}))
    health = health_of(authenticator)
    assert health.status == HealthStatus.DEGRADED
    assert second.provider.issuer in health.detail


def test_the_tenant_may_be_that_of_the_issuer(clinics: tuple[Scene, Scene]) -> None:
    scene, _ = clinics
    issuer = Issuer(issuer=scene.provider.issuer, audiences=("dicom-common",), tenant="fixed")
    authenticator = JoseAuthenticator(Settings(issuers=(issuer,)), clock=scene.clock.time)
    assert authenticator.authenticate(scene.token(header={"kid": "1"}, tenant="clinic-b")).tenant == "fixed"


def test_roles_are_found_by_names_with_any_characters_and_by_wildcards(clinics: tuple[Scene, Scene]) -> None:
    scene, _ = clinics
    paths = ("$['https://clinic.example/roles']", "$.resource_access.*.roles")
    issuer = Issuer(issuer=scene.provider.issuer, audiences=("dicom-common",), role_claims=paths)
    authenticator = JoseAuthenticator(Settings(issuers=(issuer,)), clock=scene.clock.time)
    claims = scene.claims() | {"https://clinic.example/roles": ["chief"]}
    token = scene.rsa.token(scene.header(kid="1"), claims)
    assert authenticator.authenticate(token).roles == {"chief", "full", "root"}


def test_the_configuration_opens_it_with_the_cache(clinics: tuple[Scene, Scene], tmp_path: Path) -> None:
    scene, _ = clinics
    (tmp_path / "dicom-common.toml").write_text(
        f"""
        [auth]
        backend = "jose"
        cache_secret = {{ env = "SHARED" }}
        [[auth.issuers]]
        issuer = "{scene.provider.issuer}"
        audiences = ["dicom-common"]
        tenant = "clinic"
        """
    )
    config = Config.load(tmp_path / "dicom-common.toml", variables={"SHARED": "s" * 40})
    with Services(config) as services:
        assert health_of(services.auth).status == HealthStatus.OK
        assert health_of(services.cache).status == HealthStatus.OK


def test_a_file_of_tls_that_cannot_be_used_is_told_when_it_is_opened(tmp_path: Path) -> None:
    issuer = Issuer(issuer="https://login.example", audiences=("dicom-common",))
    with pytest.raises(ConfigError, match="none"):
        JoseAuthenticator(Settings(issuers=(issuer,), tls=Tls(ca=tmp_path / "none.pem")))


def test_opening_asks_nobody(clinics: tuple[Scene, Scene]) -> None:
    opened(clinics).close()
    assert clinics[0].provider.asked == []


def test_a_failed_fetch_is_logged_without_what_was_answered(
    clinics: tuple[Scene, Scene], caplog: pytest.LogCaptureFixture
) -> None:
    scene, _ = clinics
    scene.provider.keys = [{"kty": "RSA", "kid": "made-up-word"}]
    with caplog.at_level(logging.DEBUG):
        assert health_of(opened(clinics)).status == HealthStatus.DEGRADED
    assert scene.provider.issuer in caplog.text
    assert "made-up-word" not in caplog.text


def test_a_caller_deep_in_calls_gets_no_other_error(clinics: tuple[Scene, Scene]) -> None:
    scene, _ = clinics
    authenticator = opened(clinics)
    health_of(authenticator)
    nested: list[object] = []
    for _ in range(200):
        nested = [nested]
    token = scene.token(header={"kid": "1"}, tenant="clinic-b", nested=nested)

    def call(depth: int) -> None:
        if depth:
            call(depth - 1)
        else:
            with pytest.raises(AuthenticationError):
                authenticator.authenticate(token)

    call(sys.getrecursionlimit() - 200)
