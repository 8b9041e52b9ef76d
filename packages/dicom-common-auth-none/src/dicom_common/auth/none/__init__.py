"""No authentication: everybody is one principal that the configuration names. For loopback only."""

from __future__ import annotations

from dicom_common.auth.none._authenticator import NoAuthenticator
from dicom_common.auth.none._settings import Settings
from dicom_common.core import Authenticator, Backend, hookimpl

__all__ = ["NoAuthenticator", "Settings", "dicom_common_auth"]


@hookimpl
def dicom_common_auth() -> Backend[Authenticator]:
    """Offer the authenticator `none`."""
    return Backend("none", Settings, NoAuthenticator)
