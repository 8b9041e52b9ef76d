"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult

from dicom_common.core import ConfigError, Limits, Secret
from dicom_common.storage.object import ObjectSettings, checked_endpoint

__all__ = ["Settings"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class Settings(ObjectSettings):
    """The keys of `[storage]` in the configuration; those that all object stores share are in `ObjectSettings`.

    Raises:
        ConfigError: a value cannot work.
    """

    part_size: Annotated[int, Limits(5 << 20)] = 5 << 20
    """In bytes. Smaller than that of S3, because the SDK itself takes more memory."""
    bucket: str
    """The bucket; it must be there."""
    endpoint: str = "https://storage.googleapis.com"
    """Where the store is: another one for an emulator, or for private access."""
    credentials: Literal["auto", "none"] = "auto"
    """`auto`: the service account of the two settings below, else Application Default Credentials (the variable
    GOOGLE_APPLICATION_CREDENTIALS, gcloud's own file, the service account of the machine). `none`: anonymous, for
    emulators; only with an `endpoint` of one's own."""
    credentials_file: Path | None = None
    """The file of credentials that Google gave out: a service account's key, or workload identity federation."""
    credentials_json: Secret | None = None
    """What such a file holds, for where secrets come as variables."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        super().__post_init__()
        if not _BUCKET.fullmatch(self.bucket):
            raise ConfigError(
                "The setting bucket of the gcs storage is not a valid bucket name: give 3 to 222 of a-z, 0-9, '-', '_'"
                " and '.'."
            )
        _ = self.url
        if self.credentials_file is not None and self.credentials_json is not None:
            raise ConfigError("Set credentials_file or credentials_json of the gcs storage, not both.")
        if self.credentials == "none":
            if self.credentials_file is not None or self.credentials_json is not None:
                raise ConfigError(
                    "The setting credentials of the gcs storage is 'none': remove it, or credentials_file and"
                    " credentials_json."
                )
            if self.endpoint == Settings.endpoint:
                raise ConfigError(
                    "The setting credentials = 'none' of the gcs storage is for emulators: set endpoint, too."
                )

    @property
    def url(self) -> SplitResult:
        """Where the store is.

        Raises:
            ConfigError: the endpoint is not valid, or its scheme contradicts the setting tls.mode.
        """
        return checked_endpoint(self.endpoint, self.tls)
