"""The Protocol of an authenticator: from a token to a principal."""

from __future__ import annotations

import ipaddress
from typing import Protocol, runtime_checkable

from dicom_common.core._errors import ConfigError
from dicom_common.core._health import Health
from dicom_common.core._records import Principal

__all__ = ["Authenticator", "LetsEverybodyIn", "require_loopback"]


class Authenticator(Protocol):
    """Establishes who is calling. Thread-safe. What a principal may do is decided elsewhere."""

    def authenticate(self, token: str) -> Principal:
        """Verify a bearer token and return whom it stands for.

        Raises:
            AuthenticationError: the token is not accepted; the message holds nothing of it.
            UnavailableError: the keys that verify tokens cannot be had now.
        """
        ...

    def check(self) -> Health:
        """Find out, within seconds, whether tokens can be verified. Never raises."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


@runtime_checkable
class LetsEverybodyIn(Protocol):
    """An authenticator that verifies nothing. What listens on a network with one asks `require_loopback` first."""

    def everybody(self) -> Principal:
        """Return the principal that every caller is, with a token or without."""
        ...


def require_loopback(authenticator: Authenticator, host: str) -> None:
    """Refuse to listen where others could come in without proof of who they are: call it before a socket is bound.

    Args:
        authenticator: one that proves who is calling may listen anywhere.
        host: the address that is to be bound. With a `LetsEverybodyIn` only a loopback address or `localhost` passes:
            an empty one, or `0.0.0.0`, means every network, and any other name is whatever a resolver says.

    Raises:
        ConfigError: everybody would be let in from a network.
    """
    if isinstance(authenticator, LetsEverybodyIn) and not _is_loopback(host):
        raise ConfigError(
            "The auth backend lets everybody in, so the server may listen on loopback only: listen on 127.0.0.1, "
            "or choose a backend below [auth] that verifies tokens."
        )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
