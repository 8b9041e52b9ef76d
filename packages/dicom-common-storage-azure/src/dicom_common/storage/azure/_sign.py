"""Signed URLs: a shared access signature for one blob, for reading."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas
from dicom_common.core import RefusedError

__all__ = ["Signer"]

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
