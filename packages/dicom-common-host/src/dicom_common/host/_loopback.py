"""The rule that an authenticator which verifies nothing is for loopback only."""

from __future__ import annotations

import ipaddress

from dicom_common.core import Authenticator, ConfigError, LetsEverybodyIn

__all__ = ["require_loopback"]


def require_loopback(authenticator: Authenticator | None, host: str) -> None:
    """Refuse to listen where others could come in without proof of who they are: call it before a socket is bound.

    Args:
        authenticator: one that proves who is calling may listen anywhere; None: everybody is let in.
        host: the address that is to be bound. With a `LetsEverybodyIn` only a loopback address or `localhost` passes:
            an empty one, or `0.0.0.0`, means every network, and any other name is whatever a resolver says.

    Raises:
        ConfigError: everybody would be let in from a network.
    """
    if authenticator is not None and not isinstance(authenticator, LetsEverybodyIn):
        return
    if not _is_loopback(host):
        why = "There is no auth backend" if authenticator is None else "The auth backend lets everybody in"
        raise ConfigError(
            f"{why}, so the server may listen on loopback only: listen on 127.0.0.1, "
            "or choose a backend below [auth] that verifies tokens."
        )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
