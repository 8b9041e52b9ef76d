"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from dicom_common.core import ConfigError, Secret
from dicom_common.storage.object import ObjectSettings

__all__ = ["Settings"]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class Settings(ObjectSettings):
    """The keys of `[storage]` in the configuration, beside those of every object store.

    Raises:
        ConfigError: a value cannot work, or would send data in the clear.
    """

    bucket: str
    """It has to be there: the storage makes none."""
    endpoint: str = ""
    """The store, as `host`, `host:port` or a URL; empty: Amazon's for the region."""
    region: str = "us-east-1"
    """The region that requests are signed for. Most stores that are not Amazon's have this one."""
    access_key: str | None = None
    """Without it: the environment (`AWS_ACCESS_KEY_ID` or `MINIO_ACCESS_KEY` and their companions), then the profile in
    `credentials_file`, then the role of the machine, container or pod."""
    secret_key: Secret | None = None
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
                "The setting bucket of the S3 storage is no bucket's name: 3 to 63 lower-case letters, digits, dots and"
                " hyphens."
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
            ConfigError: the endpoint is none, or its scheme contradicts the setting tls.mode.
        """
        text = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        try:
            url = urlsplit(text if "://" in text else f"//{text}")
            host, _ = url.hostname, url.port
        except ValueError:
            host = None
        if (
            not host
            or url.path not in ("", "/")
            or url.query
            or url.username
            or url.scheme not in ("", "http", "https")
        ):
            raise ConfigError(
                "The setting endpoint of the S3 storage has to be host, host:port, or a URL of these with http or"
                " https; the bucket is a setting of its own."
            )
        wanted = self.tls.wanted(host)
        if url.scheme == "http" and wanted:
            raise ConfigError(
                "The setting endpoint of the S3 storage is http towards another machine: use https, or say that images"
                " may travel in the clear by tls.mode = 'off'."
            )
        if url.scheme == "https" and self.tls.mode == "off":
            raise ConfigError(
                "The settings endpoint (https) and tls.mode ('off') of the S3 storage contradict each other."
            )
        return url._replace(scheme=url.scheme or ("https" if wanted else "http"), path="")
