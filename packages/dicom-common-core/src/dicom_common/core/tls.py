"""TLS towards servers: one table of settings for every backend.

Verification cannot be turned off: a connection is either verified, host name included, or it is no TLS at all.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dicom_common.core._errors import ConfigError

__all__ = ["Tls", "client_context", "is_local", "load_pair", "why"]


@dataclass(frozen=True, kw_only=True)
class Tls:
    """A table such as `[db.tls]`.

    Raises:
        ConfigError: a certificate without its key, or the other way round.
    """

    mode: Literal["auto", "on", "off"] = "auto"
    """`on`: TLS 1.2 or later, with the server's certificate and host name verified. `off`: no TLS. `auto`: off towards
    this very machine (a loopback address or a Unix socket), else on."""
    ca: Path | None = None
    """Certificates, as PEM, of the authorities that are trusted; without it those of the operating system."""
    certificate: Path | None = None
    """Our own certificate, as PEM, where the server asks for one."""
    key: Path | None = None
    """The private key that belongs to it, as PEM."""

    def __post_init__(self) -> None:
        """Refuse half a pair."""
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("tls.certificate and tls.key belong together: set both, or neither")

    def wanted(self, host: str) -> bool:
        """Tell whether connections to a host use TLS."""
        return self.mode == "on" or (self.mode == "auto" and not is_local(host))


def is_local(host: str) -> bool:
    """Tell whether a host is this machine: `localhost`, a loopback address, or the folder of a Unix socket."""
    if host.startswith("/") or host.lower().rstrip(".") in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def client_context(tls: Tls) -> ssl.SSLContext:
    """Make the context for connections to servers: TLS 1.2 or later, certificate and host name verified.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"The file {tls.ca} of tls.ca cannot be used: {why(error)}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate is not None and tls.key is not None:
        load_pair(context, tls.certificate, tls.key)
    return context


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Give a context our own certificate and its key, which must not be encrypted.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.
    """
    try:
        # An encrypted key is refused: OpenSSL would ask the terminal for its password.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"The files {certificate} and {key} of tls.certificate and tls.key cannot be used: {why(error)}."
        ) from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; give it without a password, readable by this account only")


def why(error: Exception) -> str:
    """Say in a few words why OpenSSL or the operating system refuses a file."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM certificate in it").replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)
