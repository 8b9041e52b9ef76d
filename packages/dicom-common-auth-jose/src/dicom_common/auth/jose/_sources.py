"""Where keys come from: the issuer's server, and before it, where asked for, the copy that processes share."""

from __future__ import annotations

from collections.abc import Callable

from dicom_common.auth.jose._fetch import Fetch, discovered_keys
from dicom_common.auth.jose._issuer_keys import Fetched, Source
from dicom_common.auth.jose._key_set import KeySet
from dicom_common.auth.jose._settings import Issuer, Settings
from dicom_common.auth.jose._shared_keys import SharedKeys
from dicom_common.core import Cache, UnavailableError

__all__ = ["key_source"]


def key_source(
    issuer: Issuer, settings: Settings, fetch: Fetch, cache: Cache | None, clock: Callable[[], float]
) -> Source:
    """Return what gets the keys of an issuer."""

    def published() -> tuple[bytes, KeySet]:
        url = issuer.jwks_uri or discovered_keys(issuer.issuer, fetch)
        body = fetch(url)
        keys = KeySet.parse(body)
        if keys is None:
            raise UnavailableError(f"{url} gives no JWK set with a key that can be used.")
        return body, keys

    if cache is None or not settings.cache_secret:
        return lambda _: Fetched(published()[1])
    shared = SharedKeys(cache, settings, issuer, clock)

    def either(published_now: bool) -> Fetched:
        copy = None if published_now else shared.get()
        if copy is not None and copy.age < settings.key_seconds / 2:
            return copy
        try:
            body, keys = published()
        except UnavailableError:
            if copy is None:
                raise
            return copy
        shared.put(body)
        return Fetched(keys)

    return either
