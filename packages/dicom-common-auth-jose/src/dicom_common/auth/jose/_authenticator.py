"""The authenticator: form, issuer, header, key, signature, claims, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from dicom_common.auth.jose._check import Check, refuse
from dicom_common.auth.jose._claim_rules import CLAIM_CHECKS, Claimed
from dicom_common.auth.jose._fetch import Fetch, fetcher
from dicom_common.auth.jose._grants import Grants
from dicom_common.auth.jose._header_rules import HEADER_CHECKS, Headed
from dicom_common.auth.jose._issuer_keys import IssuerKeys
from dicom_common.auth.jose._settings import Issuer, Settings
from dicom_common.auth.jose._sources import key_source
from dicom_common.auth.jose._token import Token, segment_object
from dicom_common.core import (
    AuthenticationError,
    Cache,
    Health,
    HealthStatus,
    Principal,
    UnavailableError,
)

__all__ = ["SIGNATURE_CHECKS", "JoseAuthenticator"]

_HEADERS = 64
"""Headers of tokens that are remembered: one for each key and type of token. They are only read."""
SIGNATURE_CHECKS = (
    Check("signature", lambda pair: pair[0](pair[1].signed, pair[1].signature), "The token's signature is wrong."),
)
"""Of a key and a token."""


class _Known(NamedTuple):
    """An issuer, and what was made of its settings."""

    issuer: Issuer
    keys: IssuerKeys
    grants: Grants


class JoseAuthenticator:
    """Verifies access tokens with the published keys of their issuers. Thread-safe.

    The first keys are fetched when they are first needed. Nothing of a token is in an error or a log.

    Args:
        settings: whose tokens are taken.
        cache: where fetched keys are shared, with a `cache_secret` only.
        clock: the time in seconds since 1970, for the claims.
        monotonic: a time in seconds that never goes back, for the age of keys.

    Raises:
        ConfigError: a file of `tls` cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        cache: Cache | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._clock = settings, clock
        self._header_of = lru_cache(_HEADERS)(segment_object)
        fetch = fetcher(settings.tls, settings.time_limit)
        self._issuers = {issuer.issuer: self._known(issuer, fetch, cache, monotonic) for issuer in settings.issuers}

    def _known(self, issuer: Issuer, fetch: Fetch, cache: Cache | None, monotonic: Callable[[], float]) -> _Known:
        source = key_source(issuer, self._settings, fetch, cache, self._clock)
        return _Known(issuer, IssuerKeys(issuer.issuer, source, self._settings, monotonic), Grants(issuer))

    def authenticate(self, token: str) -> Principal:
        """Verify an access token and return whom it stands for.

        Raises:
            AuthenticationError: the token is not accepted; the message holds nothing of it.
            UnavailableError: the keys of its issuer cannot be had now.
        """
        parsed = Token.parse(token, self._header_of)
        header, claims = parsed.header, parsed.claims
        name = claims.get("iss")
        known = self._issuers.get(name) if isinstance(name, str) else None
        if known is None:
            raise AuthenticationError("The token's issuer is not known.")
        refuse(HEADER_CHECKS, Headed(header, known.issuer))
        verify = known.keys.find(header.get("kid"), header["alg"])
        if verify is None:
            raise AuthenticationError("The token's key is not among those of its issuer.")
        refuse(SIGNATURE_CHECKS, (verify, parsed))
        refuse(CLAIM_CHECKS, Claimed(claims, header, known.issuer, self._clock(), self._settings.leeway))
        return known.grants.principal(claims)

    def check(self) -> Health:
        """Find out whether the keys of all issuers can be had."""
        for known in self._issuers.values():
            if (known.keys.age() or 0) >= self._settings.key_seconds or known.keys.age() is None:
                known.keys.refresh()  # all at once; each is waited for below
        without, stale, facts = [], [], {}
        for name, known in self._issuers.items():
            try:
                facts[f"keys of {name}"] = known.keys.keys().size
            except UnavailableError:
                without.append(name)
                continue
            if (known.keys.age() or 0) >= self._settings.key_seconds:
                stale.append(name)
        if without:
            status = HealthStatus.FAILED if len(without) == len(self._issuers) else HealthStatus.DEGRADED
            return Health(status=status, detail=f"no keys can be had of {', '.join(without)}", facts=facts)
        if stale:
            detail = f"the keys of {', '.join(stale)} are old and cannot be fetched"
            return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
        return Health(status=HealthStatus.OK, detail="the keys of each issuer are there", facts=facts)

    def close(self) -> None:
        """Release nothing: connections are closed after each fetch, and a fetch under way ends by itself."""
