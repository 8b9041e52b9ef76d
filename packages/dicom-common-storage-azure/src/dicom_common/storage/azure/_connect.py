"""The way to a container: credentials, connections, signed URLs, and no word of a key in a log."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas
from dicom_common.core import ConfigError, RefusedError
from dicom_common.storage.azure._settings import Settings
from dicom_common.storage.object import checked_endpoint, secure_session

__all__ = ["SINGLE_PUT", "WINDOW", "Signer", "account", "connect"]

SINGLE_PUT = 5000 << 20
"""In bytes: what one request may write. Whether an object is sent in blocks is settled by `multipart_threshold`."""
WINDOW = 4 << 20
"""In bytes: what one request reads; see `RangesBody`."""

_SILENT = logging.Logger("dicom-common-silent", logging.CRITICAL + 1)  # noqa: LOG001 - without a parent, on purpose
"""The SDK would log every request's headers and its URL, keys included, at level INFO."""


def connect(settings: Settings, session: requests.Session) -> BlobServiceClient:
    """Make the SDK's client over a session of ours. Nothing is asked of the store yet.

    Raises:
        ConfigError: the settings cannot be used.
    """
    secure_session(session, settings.tls, settings.pool_size)
    transport = RequestsTransport(
        session=session,
        session_owner=False,  # the SDK's objects come and go, each of them would close it
        connection_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
    )
    options: dict[str, Any] = {
        "transport": transport,
        "retry_total": 0,
        "connection_timeout": settings.connect_timeout,
        "read_timeout": settings.read_timeout,
        "max_single_put_size": SINGLE_PUT,
        "max_single_get_size": WINDOW,
        "max_chunk_get_size": WINDOW,
        "logger": _SILENT,
    }
    if not settings.connection_string:
        return BlobServiceClient(settings.url, credential=_credential(settings, transport), **options)
    try:
        service = BlobServiceClient.from_connection_string(settings.connection_string.reveal(), **options)
    except (ValueError, KeyError, TypeError):
        # From None: the cause may repeat the key.
        raise ConfigError(
            "The setting connection_string of the azure storage is not valid: copy all of it from the portal."
        ) from None
    checked_endpoint(service.primary_endpoint.partition("?")[0], settings.tls, "connection_string")
    return service


def account(settings: Settings) -> str:
    """Name the setting that the credentials are from."""
    for name in ("connection_string", "account_key", "sas_token"):
        if getattr(settings, name):
            return name
    return "DefaultAzureCredential"


def _credential(settings: Settings, transport: RequestsTransport) -> Any:
    if settings.account_key:
        return AzureNamedKeyCredential(settings.account, settings.account_key.reveal())
    if settings.sas_token:
        return AzureSasCredential(settings.sas_token.reveal().removeprefix("?"))
    try:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise ConfigError(
            "The azure storage has no connection_string, account_key or sas_token: set one, or install what Microsoft"
            ' Entra ID needs, pip install "dicom-common-storage-azure[identity]".'
        ) from None
    if settings.url.startswith("http://"):
        raise ConfigError("Microsoft Entra ID works over https:// only: correct the setting endpoint.")
    return DefaultAzureCredential(transport=transport, logger=_SILENT, retry_total=1)


_LONGEST = timedelta(days=7)
_MARGIN = timedelta(minutes=10)
"""Our clock and Azure's may differ."""


class Signer:
    """Signs with the account's key, or with one that Azure gives out to a user of Microsoft Entra ID for some days."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._service = service
        self._container = container
        self._lock = threading.Lock()
        self._delegated: tuple[datetime, UserDelegationKey] | None = None

    def sign(self, blob: BlobClient, key: str, expires: int) -> str:
        """Make the URL.

        Raises:
            RefusedError: the credentials cannot sign.
        """
        url, _, _ = blob.url.partition("?")
        until = datetime.now(UTC) + timedelta(seconds=expires)
        signature = generate_blob_sas(
            account_name=self._service.account_name or "",
            container_name=self._container,
            blob_name=key,
            permission=BlobSasPermissions(read=True),
            expiry=until,
            protocol="https" if url.startswith("https:") else None,
            **self._key(until),
        )
        return f"{url}?{signature}"

    def _key(self, until: datetime) -> dict[str, Any]:
        credential = self._service.credential
        if account_key := getattr(credential, "account_key", None):
            return {"account_key": account_key}
        if not hasattr(credential, "get_token"):
            raise RefusedError(
                "A signed URL of Azure needs account_key, a connection_string with a key, or Microsoft Entra ID: a"
                " sas_token cannot sign."
            )
        with self._lock:
            if self._delegated is None or self._delegated[0] < until:
                now = datetime.now(UTC)
                end = now + _LONGEST
                self._delegated = (end, self._service.get_user_delegation_key(now - _MARGIN, end - _MARGIN))
            return {"user_delegation_key": self._delegated[1]}
