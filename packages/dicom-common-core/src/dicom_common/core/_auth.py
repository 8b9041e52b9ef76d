"""The Protocol of an authenticator: from a token to a principal."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from dicom_common.core._health import Health
from dicom_common.core._records import Principal

__all__ = ["MAX_TOKEN_BYTES", "Authenticator", "LetsEverybodyIn"]

MAX_TOKEN_BYTES = 8192
"""The longest token that any front end passes on."""


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
        """Find out whether tokens can be verified. It may raise, and may hang: see `Health`."""
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
