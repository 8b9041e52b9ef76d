"""The Protocol of an authenticator: from a token to a principal."""

from __future__ import annotations

from typing import Protocol

from dicom_common.core._health import Health
from dicom_common.core._records import Principal

__all__ = ["Authenticator"]


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
