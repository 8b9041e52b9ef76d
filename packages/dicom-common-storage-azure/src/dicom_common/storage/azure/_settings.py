"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from dicom_common.core import ConfigError, Limits, Secret
from dicom_common.storage.object import ObjectSettings, checked_endpoint

__all__ = ["Settings"]

_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$root|\$web")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


@dataclass(frozen=True, kw_only=True)
class Settings(ObjectSettings):
    """The keys of `[storage]` in the configuration; those that all object stores share are in `ObjectSettings`.

    One of `connection_string`, `account_key` and `sas_token` says who we are. Without any of them it is Microsoft Entra
    ID (`DefaultAzureCredential`: a managed identity, the variables AZURE_CLIENT_ID and so on), which needs the extra
    `dicom-common-storage-azure[identity]`.

    Raises:
        ConfigError: a value cannot work.
    """

    part_size: Annotated[int, Limits(5 << 20)] = 5 << 20
    """In bytes. Smaller than that of S3, because the SDK itself takes more memory."""
    container: str
    """The container; it must be there."""
    account: str = ""
    """The storage account; not needed where `connection_string` names it."""
    endpoint: str = ""
    """Where the account's blobs are, for other clouds, private links and emulators. Empty:
    `https://<account>.blob.core.windows.net`."""
    account_key: Secret | None = None
    """A key of the account: it may do everything, signed URLs included."""
    sas_token: Secret | None = None
    """A shared access signature of the account or the container: the part of its URL behind the question mark."""
    connection_string: Secret | None = None
    """What the portal gives out: account, endpoint and key, or signature, in one."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if not _CONTAINER.fullmatch(self.container):
            raise ConfigError(
                "The setting container of the azure storage is not a valid container name: give 3 to 63 of a-z, 0-9 and"
                " single '-'."
            )
        secrets = ("connection_string", "account_key", "sas_token")
        given = [name for name in secrets if getattr(self, name)]
        if len(given) > 1:
            raise ConfigError(f"Set {' or '.join(given)} of the azure storage, not both.")
        if self.connection_string:
            if self.account or self.endpoint:
                raise ConfigError(
                    "The setting connection_string of the azure storage names account and endpoint: remove the other"
                    " settings of these names."
                )
            return
        if not _ACCOUNT.fullmatch(self.account):
            raise ConfigError(
                "The setting account of the azure storage has to be the name of a storage account: 3 to 24 of a-z, 0-9."
            )
        _ = self.url
        if self.account_key:
            try:
                base64.b64decode(self.account_key.reveal(), validate=True)
            except binascii.Error:
                raise ConfigError(
                    "The setting account_key of the azure storage is not an account key: copy all of it, with the"
                    " '=' at its end."
                ) from None

    @property
    def url(self) -> str:
        """Where the account's blobs are; empty with `connection_string`.

        Raises:
            ConfigError: the endpoint is not valid, or its scheme contradicts the setting tls.mode.
        """
        if not (self.endpoint or self.account):
            return ""
        endpoint = self.endpoint or f"https://{self.account}.blob.core.windows.net"
        return checked_endpoint(endpoint, self.tls).geturl()

    @property
    def place(self) -> SplitResult:
        """Where the account's blobs are; with `connection_string`, what that says of it."""
        if not self.connection_string:
            return urlsplit(self.url)
        parts = dict(part.split("=", 1) for part in self.connection_string.reveal().split(";") if "=" in part)
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        return urlsplit(parts.get("BlobEndpoint") or f"https://{parts.get('AccountName', '')}.blob.{suffix}")
