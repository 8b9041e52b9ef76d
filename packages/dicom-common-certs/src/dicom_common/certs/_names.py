"""What a certificate says: the names that it is for, and the usage."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dicom_common.core import ConfigError

__all__ = ["Usage", "alternatives", "describe", "names_of", "purpose", "usage_of"]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_EMAIL = re.compile(rf"[A-Za-z0-9._+-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")


class Usage(StrEnum):
    """What a certificate is for. Each has one: what is stolen from one place is of no use in another."""

    SERVER = "server"
    CLIENT = "client"
    SIGNING = "signing"
    ENCRYPTION = "encryption"


_PURPOSES = {
    Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Usage.SIGNING: x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # id-kp-documentSigning, RFC 9336
    # Some purpose must stand there: a certificate without one is good for TLS, too.
    Usage.ENCRYPTION: ExtendedKeyUsageOID.EMAIL_PROTECTION,
}


def purpose(usage: Usage) -> x509.ObjectIdentifier:
    """Return the extended key usage (RFC 5280 section 4.2.1.12) of a usage."""
    return _PURPOSES[usage]


def usage_of(certificate: x509.Certificate) -> Usage | None:
    """Return the usage of a certificate; None for that of an authority, and for others that were not made here."""
    try:
        found = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None
    return next((usage for usage, oid in _PURPOSES.items() if found == {oid}), None)


def alternatives(names: Sequence[str], usage: Usage) -> list[x509.GeneralName]:
    """Make the subject alternative names (RFC 5280 section 4.2.1.6) of texts.

    Raises:
        ConfigError: the list is empty, or a name is not a DNS name, IP address or e-mail address.
    """
    if not names:
        raise ConfigError("A certificate needs a name: a DNS name, an IP address or an e-mail address.")
    return [_alternative(name, usage) for name in names]


def _alternative(name: str, usage: Usage) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if _EMAIL.fullmatch(name):
        return x509.RFC822Name(name)
    dns = name.lower()
    if len(dns) <= 253 and _DNS.fullmatch(dns) and (usage is Usage.SERVER or not dns.startswith("*")):
        return x509.DNSName(dns)
    raise ConfigError(
        f"{name!r} is no name for a {usage} certificate: give a DNS name, an IP address or an e-mail address; "
        "a wildcard is for servers only."
    )


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the subject alternative names of a certificate as texts."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found if isinstance(name, (x509.DNSName, x509.IPAddress, x509.RFC822Name))]


def describe(certificate: x509.Certificate) -> dict[str, object]:
    """Say what a certificate is: its names, usage, dates, issuer, serial number (hexadecimal) and fingerprint.

    Raises:
        ConfigError: a part of it is not as RFC 5280 has it.
    """
    try:
        return {
            "subject": _common_names(certificate.subject),
            "names": names_of(certificate),
            "usage": usage_of(certificate),
            "authority": _is_authority(certificate),
            "issuer": _common_names(certificate.issuer),
            "not_before": certificate.not_valid_before_utc,
            "not_after": certificate.not_valid_after_utc,
            "serial": f"{certificate.serial_number:x}",
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        }
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ConfigError("A part of the certificate cannot be read: have another one issued.") from error


def _common_names(name: x509.Name) -> str:
    return ", ".join(str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
