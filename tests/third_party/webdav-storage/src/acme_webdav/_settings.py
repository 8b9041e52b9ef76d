"""The settings, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from dicom_common.core import ConfigError, Limits, Secret

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of the table `[storage]`."""

    url: str
    """The folder of the objects, which exists: `https://files.hospital.example/images/`."""
    user: str = ""
    password: Secret | None = None
    timeout: Annotated[float, Limits(above=0, most=600)] = 30.0
    """Seconds without a byte from the server."""
    attempts: Annotated[int, Limits(1, 100)] = 8
    """How often a request is made at most while the server is unavailable."""
    deadline: Annotated[float, Limits(above=0, most=3600)] = 60.0
    """Seconds after which no further attempt is made."""

    def __post_init__(self) -> None:
        """Refuse what is no folder's URL."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or not self.url.endswith("/"):
            raise ConfigError(
                "The setting storage.url is an http or https URL without a user, with a slash at its end."
            )
