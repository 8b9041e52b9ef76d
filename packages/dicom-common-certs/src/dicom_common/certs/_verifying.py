"""Is this certificate good, for this usage, under this name, at this moment?"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from dicom_common.certs._names import Usage, names_of, purpose
from dicom_common.certs._revocations import refuse_revoked
from dicom_common.certs._strength import unfit_for, weakness_of_key
from dicom_common.core import AuthenticationError, ConfigError

__all__ = ["Trust", "verify"]


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Who is trusted. The authorities of the operating system never are."""

    authorities: Sequence[x509.Certificate]
    revocations: x509.CertificateRevocationList | None = None
    """The complete list of the authority that issued what is verified. One that has run out, or is of the future,
    refuses all; a delta, an indirect list or one of a part of all certificates is a `ConfigError`."""
    intermediates: Sequence[x509.Certificate] = ()
    """Further certificates from which a chain may be made."""


def verify(
    certificate: x509.Certificate,
    trust: Trust,
    usage: Usage,
    *,
    name: str | None = None,
    now: datetime | None = None,
) -> list[str]:
    """Verify a certificate: its chain, dates, usage, name and that it is not revoked (RFC 5280 section 6).

    Args:
        certificate: what is verified.
        trust: who is trusted.
        usage: what it is to be used for; a certificate for more than that is refused.
        name: the host name or IP address of a server, or exactly one of the names of others.
        now: with a time zone; the clock's by default.

    Returns:
        The names in the certificate.

    Raises:
        AuthenticationError: it is not good; the message says why.
        ConfigError: no authority is given, or the list is not of the one that issued the certificate.
    """
    if not trust.authorities:
        raise ConfigError("No authority is given: name the certificates that are trusted.")
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise AuthenticationError("The certificate has expired or is not valid yet: see its dates.")

    def has_usage(_: Policy, __: x509.Certificate, extension: x509.ExtendedKeyUsage) -> None:
        if list(extension) != [purpose(usage)]:
            raise ValueError(f"it is not for the usage {usage}")

    ee_policy = ExtensionPolicy.webpki_defaults_ee().require_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, has_usage
    )
    builder = PolicyBuilder().store(Store(list(trust.authorities))).time(moment.replace(tzinfo=None)).max_chain_depth(4)
    builder = builder.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ee_policy)
    try:
        if usage is Usage.SERVER and name is not None:
            chain = builder.build_server_verifier(_host(name)).verify(certificate, list(trust.intermediates))
        else:
            chain = builder.build_client_verifier().verify(certificate, list(trust.intermediates)).chain
    except VerificationError as error:
        raise AuthenticationError(f"The certificate is not good: {_reason(error)}.") from error
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise AuthenticationError("The certificate is not good: it, or one of its chain, cannot be read.") from None
    _refuse_chain(chain, usage)
    names = names_of(certificate)
    if usage is not Usage.SERVER and name is not None and name.lower() not in [known.lower() for known in names]:
        raise AuthenticationError(f"The certificate is not for {name!r}.")
    if trust.revocations is not None:
        refuse_revoked(certificate, chain[1], trust.revocations, moment)
    return names


def _refuse_chain(chain: Sequence[x509.Certificate], usage: Usage) -> None:
    """Refuse what `cryptography` lets pass."""
    if len(chain) < 2:  # what stands among the authorities would be its own proof, and no list could revoke it
        raise AuthenticationError(
            "The certificate itself is given as an authority: give the certificate of the authority that issued it."
        )
    why = next(filter(None, map(weakness_of_key, chain)), "") or unfit_for(chain[0], usage)
    if why:
        raise AuthenticationError(f"The certificate is not good: {why}.")


def _reason(error: VerificationError) -> str:
    """Return what is wrong without the frame that `cryptography` puts around it."""
    text = str(error).removeprefix("validation failed: ").partition(" (encountered processing ")[0]
    text = text.removeprefix("candidates exhausted: ").partition(": AlgorithmIdentifier ")[0]
    return text.removeprefix("Python extension validator failed: ValueError: ")


def _host(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise ConfigError(f"{name!r} is no host name: write it in ASCII.") from error
