"""TLS for what listens itself: its settings, its context, and whose certificate a client shows.

Verification cannot be turned off for a client that shows a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dicom_common.core import AuthenticationError, ConfigError, Principal, validate_tenant

if TYPE_CHECKING:
    import ssl

__all__ = ["ServerTls", "TlsClient", "client_of", "server_context"]

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy that authenticate what they encrypt. All of TLS 1.3 do."""


@dataclass(frozen=True, kw_only=True)
class TlsClient:
    """A client that shows a certificate: whose it is, an entry such as `[[tls.clients]]`. Pure data.

    An AE title is no proof of who is calling: a certificate is, and what it maps to says which titles may be used.

    Raises:
        ConfigError: the tenant is not valid.
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
    no client is let in. Read once: after a change, restart."""

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
    import ssl  # noqa: PLC0415 - every command imports this package, and few listen

    from dicom_common.core.tls import load_pair  # noqa: PLC0415 - likewise

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    load_pair(context, tls.certificate, tls.key)
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
    from dicom_common.core.tls import why  # noqa: PLC0415 - as in `server_context`

    before = context.cert_store_stats()
    try:
        context.load_verify_locations(cafile=file)
    except OSError as error:  # SSLError is one
        raise ConfigError(f"The file {file} of {setting} cannot be used: {why(error)}.") from error
    after = context.cert_store_stats()
    kind, what = ("crl", "list of revoked certificates") if setting.endswith("crl") else ("x509_ca", "authority")
    if before[kind] == after[kind]:
        raise ConfigError(f"The file {file} of {setting} cannot be used: there is no {what} in it.")
