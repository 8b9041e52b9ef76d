"""TLS: towards servers one table of settings for every backend, and one for what listens itself.

Verification cannot be turned off: a connection is either verified, host name included, or it is no TLS at all.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dicom_common.core._errors import AuthenticationError, ConfigError
from dicom_common.core._records import Principal, validate_tenant

__all__ = ["ServerTls", "Tls", "TlsClient", "client_context", "client_of", "is_local", "server_context"]

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy that authenticate what they encrypt. All of TLS 1.3 do."""


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
        raise ConfigError(f"The file {tls.ca} of tls.ca cannot be used: {_why(error)}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate is not None and tls.key is not None:
        _load_pair(context, tls.certificate, tls.key)
    return context


@dataclass(frozen=True, kw_only=True)
class TlsClient:
    """A client that shows a certificate: whose it is, an entry such as `[[tls.clients]]`. Pure data.

    An AE title is no proof of who is calling: a certificate is, and what it maps to says which titles may be used.

    Raises:
        ConfigError: the tenant is none.
        ValueError: the name is empty or has a wildcard.
    """

    name: str
    """One of the certificate's subject alternative names: a DNS name, an e-mail address, a URI or an IP address."""
    tenant: str
    ae_titles: tuple[str, ...] = ()
    """The AE titles under which it may call."""
    roles: tuple[str, ...] = ()
    """What the policy is asked with."""

    def __post_init__(self) -> None:
        """Refuse what could stand for more than one client."""
        validate_tenant(self.tenant)
        if not self.name or "*" in self.name:
            raise ValueError("the name of a TLS client is one name, without a wildcard")

    @property
    def principal(self) -> Principal:
        """Who is calling, for `authorize`."""
        return Principal(subject=self.name, tenant=self.tenant, roles=frozenset(self.roles))


@dataclass(frozen=True, kw_only=True)
class ServerTls:
    """A table such as `[tls]` of something that listens.

    Raises:
        ConfigError: certificates of clients are asked for, and no authority is named that they must come from; or the
            other way round.
    """

    certificate: Path
    """The server's certificate, as PEM, with those of intermediate authorities behind it."""
    key: Path
    """The private key that belongs to it, as PEM, without a password."""
    client_certificates: Literal["required", "optional", "off"] = "required"
    """`required`: a connection without a certificate of the client is refused. `optional`: it is let in, and has no
    identity; one that shows a certificate must show a good one."""
    client_ca: Path | None = None
    """Certificates, as PEM, of the authorities that clients' certificates must come from. Never those of the operating
    system: whoever can buy a certificate would come in."""
    client_crl: Path | None = None
    """The list of revoked certificates of that authority (RFC 5280 section 5), as PEM. Where the list has run out,
    nobody comes in. Read once: after a change, restart."""

    def __post_init__(self) -> None:
        """Refuse settings that say less than their author believes."""
        if (self.client_certificates == "off") != (self.client_ca is None):
            raise ConfigError(
                "tls.client_ca and tls.client_certificates belong together: name the authority of the clients, or set "
                'tls.client_certificates = "off".'
            )
        if self.client_crl is not None and self.client_ca is None:
            raise ConfigError("tls.client_crl needs tls.client_ca: name the authority that made the list.")


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """Make the context for connections from clients: TLS 1.2 or later, forward secrecy, no renegotiation.

    The version and the cipher suites are what BCP 195 (RFC 9325) recommends, to which the secure transport profiles of
    PS3.15 annex B refer. No session tickets: a session of TLS 1.3 is never resumed, so that a client's certificate is
    verified at each connection; one of TLS 1.2 may be, by its id, while the server keeps it in memory.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _load_pair(context, tls.certificate, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED if tls.client_certificates == "required" else ssl.CERT_OPTIONAL
        _trust(context, tls.client_ca, "tls.client_ca")
    if tls.client_crl is not None:
        _trust(context, tls.client_crl, "tls.client_crl")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def client_of(certificate: Mapping[str, Any] | None, clients: Iterable[TlsClient]) -> TlsClient:
    """Find whose certificate it is, from what `getpeercert()` of a verified connection returns.

    Names are compared whole; upper and lower case are not told apart. The common name counts where the certificate has
    no other name.

    Raises:
        AuthenticationError: no certificate, or not that of exactly one client; the message holds nothing of it.
    """
    names = _names(certificate or {})
    found = [client for client in clients if client.name.lower() in names]
    if not names:
        raise AuthenticationError("The client showed no certificate with a name in it.")
    if len(found) != 1:
        raise AuthenticationError(
            "The client's certificate is not that of exactly one known client: see the names of its TLS clients."
        )
    return found[0]


def _names(certificate: Mapping[str, Any]) -> frozenset[str]:
    alternatives = certificate.get("subjectAltName", ())
    if not alternatives:
        parts = (part for attributes in certificate.get("subject", ()) for part in attributes)
        return frozenset(value.lower() for name, value in parts if name == "commonName")
    # A directory name (DirName) is no text, and the name of no client here.
    return frozenset(value.lower() for _, value in alternatives if isinstance(value, str))


def _trust(context: ssl.SSLContext, file: Path, setting: str) -> None:
    before = context.cert_store_stats()
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"The file {file} of {setting} cannot be used: {_why(error)}.") from error
    after = context.cert_store_stats()
    kind, what = ("crl", "list of revoked certificates") if setting.endswith("crl") else ("x509_ca", "authority")
    if before[kind] == after[kind]:
        raise ConfigError(f"The file {file} of {setting} cannot be used: there is no {what} in it.")


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # An encrypted key is refused: OpenSSL would ask the terminal for its password.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"The files {certificate} and {key} of tls.certificate and tls.key cannot be used: {_why(error)}."
        ) from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; give it without a password, readable by this account only")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM certificate in it").replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)
