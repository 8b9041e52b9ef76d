from __future__ import annotations

import pytest

from dicom_common.core import AuthenticationError, ConfigError, Health, HealthStatus, LetsEverybodyIn, Principal
from dicom_common.host import require_loopback


class Strict:
    def authenticate(self, token: str) -> Principal:
        raise AuthenticationError(f"A token of {len(token)} characters is nobody's.")

    def check(self) -> Health:
        return Health(status=HealthStatus.OK, detail="It works.")

    def close(self) -> None:
        pass


class Open(Strict):
    def everybody(self) -> Principal:
        return Principal(subject="anybody", tenant="a")


NETWORK = [
    "",
    "0.0.0.0",
    "::",
    "[::]",
    "0",
    "192.168.1.20",
    "::ffff:192.168.1.20",
    "pacs.example",
    "localhost.example",
    " localhost",
    "127.0.0.1.example",
    "127.1",
    "*",
    "/run/pacs.sock",
]
LOOPBACK = ["127.0.0.1", "127.0.0.53", "::1", "[::1]", "localhost", "LOCALHOST"]


def test_what_lets_everybody_in_is_told_by_what_it_can_do() -> None:
    assert isinstance(Open(), LetsEverybodyIn)
    assert not isinstance(Strict(), LetsEverybodyIn)


@pytest.mark.parametrize("host", NETWORK)
def test_with_an_authenticator_that_lets_everybody_in_no_network_is_listened_on(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        require_loopback(Open(), host)


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_may_be_listened_on_with_any_authenticator(host: str) -> None:
    require_loopback(Open(), host)
    require_loopback(Strict(), host)


@pytest.mark.parametrize("host", NETWORK)
def test_with_an_authenticator_that_asks_for_proof_any_host_may_be_listened_on(host: str) -> None:
    require_loopback(Strict(), host)
