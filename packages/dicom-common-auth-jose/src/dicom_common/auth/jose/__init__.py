"""An authenticator for the access tokens of OpenID Connect providers (RFC 9068, RFC 7519, RFC 7515)."""

from __future__ import annotations

from dicom_common.auth.jose._authenticator import JoseAuthenticator
from dicom_common.auth.jose._settings import Issuer, Settings
from dicom_common.core import Authenticator, Backend, hookimpl

__all__ = ["Issuer", "JoseAuthenticator", "Settings", "dicom_common_auth"]


@hookimpl
def dicom_common_auth() -> Backend[Authenticator]:
    """Offer the authenticator `jose`; with a `cache_secret` it is built on the cache."""
    return Backend(
        "jose", Settings, JoseAuthenticator, built_on=lambda settings: ("cache",) if settings.cache_secret else ()
    )
