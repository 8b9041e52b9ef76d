"""Who we are for Google: a service account, what the platform offers, or anonymous."""

from __future__ import annotations

from typing import Any

import google.auth
import requests
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account

from dicom_common.core import ConfigError
from dicom_common.storage.gcs._settings import Settings
from dicom_common.storage.object import secure_session
from dicom_common.toolkit import parse_json

__all__ = ["account", "authorized_session"]

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)


def authorized_session(settings: Settings) -> AuthorizedSession:
    """Make the session for all requests: its tokens are fetched with the same TLS settings.

    Raises:
        ConfigError: there are no credentials, or they cannot be read.
    """
    tokens = requests.Session()
    secure_session(tokens, settings.tls, settings.pool_size)
    fetch = Request(tokens)
    session = AuthorizedSession(  # type: ignore[no-untyped-call]  # google-auth has few types
        _credentials(settings, fetch), auth_request=fetch, max_refresh_attempts=1
    )
    secure_session(session, settings.tls, settings.pool_size)
    return session


def _credentials(settings: Settings, fetch: Request) -> Credentials:
    if settings.credentials == "none":
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth has few types
    try:
        if settings.credentials_file is not None:
            return _of(parse_json(settings.credentials_file.read_text(encoding="utf-8")), fetch)
        if settings.credentials_json is not None:
            return _of(parse_json(settings.credentials_json.reveal()), fetch)
    except (OSError, ValueError, GoogleAuthError) as error:
        file = settings.credentials_file
        where = "credentials_json" if file is None else f"credentials_file, {file},"
        why = getattr(error, "strerror", None) or "it is no JSON that Google gave out"
        # From None: the cause may repeat the key.
        raise ConfigError(f"The setting {where} of the gcs storage cannot be used: {why}.") from None
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES, request=fetch)
    except GoogleAuthError as error:
        raise ConfigError(
            "The gcs storage finds no credentials: set credentials_file, or the variable"
            " GOOGLE_APPLICATION_CREDENTIALS, or run on a machine of Google that has a service account."
        ) from error
    return credentials


def _of(info: Any, fetch: Request) -> Credentials:
    credentials: Credentials
    if isinstance(info, dict) and info.get("type") == "service_account":
        credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]  # as above
            info, scopes=_SCOPES
        )
        return credentials
    # Google warns of this function where others may give the file: here the operator gives it.
    credentials, _ = google.auth.load_credentials_from_dict(  # type: ignore[no-untyped-call]  # as above
        info, scopes=_SCOPES, request=fetch
    )
    return credentials


def account(settings: Settings) -> str:
    """Name the credentials in a sentence, without what is in them."""
    if settings.credentials == "none":
        return "none, as the setting credentials says"
    if settings.credentials_file is not None:
        return "of credentials_file"
    if settings.credentials_json is not None:
        return "of credentials_json"
    return "of the platform: Application Default Credentials"
