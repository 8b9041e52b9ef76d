"""The authenticator that asks for no proof."""

from __future__ import annotations

import logging

from dicom_common.auth.none._settings import Settings
from dicom_common.core import MAX_TOKEN_BYTES, AuthenticationError, BackendError, Health, HealthStatus, Principal

__all__ = ["NoAuthenticator"]

_log = logging.getLogger(__name__)


class NoAuthenticator:
    """Takes every caller for the one principal of its settings (`LetsEverybodyIn`).

    Args:
        settings: who that is.
    """

    def __init__(self, settings: Settings) -> None:
        self._everybody = Principal(
            subject=settings.subject,
            tenant=settings.tenant,
            scopes=frozenset(settings.scopes),
            roles=frozenset(settings.roles),
            permissions=frozenset(settings.permissions),
        )
        self._closed = False
        _log.warning("%s Choose another backend below [auth] to change that.", self._what_it_is)

    @property
    def _what_it_is(self) -> str:
        return f"NO AUTHENTICATION: every caller is let into the tenant {self._everybody.tenant!r}."

    def everybody(self) -> Principal:
        """Return who every caller is; see `LetsEverybodyIn.everybody`."""
        if self._closed:
            raise BackendError("The authenticator is closed: open the services again.")
        return self._everybody

    def authenticate(self, token: str) -> Principal:
        """Return the same principal for every token; see `Authenticator.authenticate`.

        The limit on its length holds: what passes here is not refused by the authenticator that comes after this one.

        Raises:
            AuthenticationError: it is no text, or longer than 8192 bytes.
        """
        if not isinstance(token, str):
            raise AuthenticationError("A token is text.")
        # A character takes a byte at least: a long one is refused before it is encoded.
        if len(token) > MAX_TOKEN_BYTES or len(token.encode("utf-8", "replace")) > MAX_TOKEN_BYTES:
            raise AuthenticationError(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
        return self.everybody()

    def check(self) -> Health:
        """Say what it is; see `Authenticator.check`. Never well: a promise less than others make."""
        tenant = self.everybody().tenant
        return Health(status=HealthStatus.DEGRADED, detail=self._what_it_is, facts={"tenant": tenant})

    def close(self) -> None:
        """End it; see `Authenticator.close`."""
        self._closed = True
