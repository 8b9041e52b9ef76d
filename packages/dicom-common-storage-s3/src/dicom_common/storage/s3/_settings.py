"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult

from dicom_common.core import ConfigError, Secret
from dicom_common.storage.object import ObjectSettings, checked_endpoint

__all__ = ["Settings"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class Settings(ObjectSettings):
    """The keys of `[storage]` in the configuration, beside those of every object store.

    Raises:
        ConfigError: a value cannot work, or would send data in the clear.
    """

    bucket: str
    """The bucket. It has to exist: the storage does not create it."""
    endpoint: str = ""
    """The store, as `host`, `host:port` or a URL; empty: Amazon's for the region."""
    region: str = "us-east-1"
    """The region that requests are signed for. Most stores that are not Amazon's have this one."""
    access_key: str | None = None
    """Without it: the environment (`AWS_ACCESS_KEY_ID` or `MINIO_ACCESS_KEY` and their companions), then the profile in
    `credentials_file`, then the role of the machine, container or pod."""
    secret_key: Secret | None = None
    """Goes with `access_key`."""
    session_token: Secret | None = None
    """Goes with temporary keys."""
    credentials_file: Path | None = None
    """A file like `~/.aws/credentials`, which is the default."""
    profile: str | None = None
    """The section of that file; without it `AWS_PROFILE`, or `default`."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """`virtual`: the bucket is a part of the host's name. `auto`: virtual at Amazon's, else path."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        ObjectSettings.__post_init__(self)
        if not _BUCKET.fullmatch(self.bucket):
            raise ConfigError(
                "The setting bucket of the S3 storage is not a valid bucket name: give 3 to 63 lower-case letters,"
                " digits, dots and hyphens."
            )
        if (self.access_key is None) != (self.secret_key is None):
            raise ConfigError("The settings access_key and secret_key of the S3 storage belong together: set both.")
        if self.session_token is not None and self.access_key is None:
            raise ConfigError("The setting session_token of the S3 storage needs access_key and secret_key.")
        if not self.region:
            raise ConfigError("The setting region of the S3 storage is empty: without a special one, leave it out.")
        _ = self.url

    @property
    def url(self) -> SplitResult:
        """The store, with scheme and host.

        Raises:
            ConfigError: the endpoint is not valid, or its scheme contradicts the setting tls.mode.
        """
        url = checked_endpoint(self.endpoint or f"https://s3.{self.region}.amazonaws.com", self.tls)
        if url.path:
            raise ConfigError("The setting endpoint of the S3 storage has no path: the bucket is a setting of its own.")
        return url
