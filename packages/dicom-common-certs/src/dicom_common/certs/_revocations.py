"""Is this list of revoked certificates complete, of this authority, and of this time? (RFC 5280 sections 5 and 6.3)."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from dicom_common.certs._strength import weakness_of_hash
from dicom_common.core import AuthenticationError, ConfigError

__all__ = ["refuse_incomplete", "refuse_revoked"]


def refuse_revoked(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    revocations: x509.CertificateRevocationList,
    moment: datetime,
) -> None:
    """Refuse a certificate that its issuer's list names, or about which the list cannot tell.

    Raises:
        AuthenticationError: it is revoked, or the list is not of this time.
        ConfigError: the list is not the complete one of the issuer.
    """
    refuse_incomplete(revocations, issuer)
    if revocations.last_update_utc > moment:
        raise AuthenticationError(
            "The list of revoked certificates is of the future: correct the clock of this machine, or give the list"
            " that is in force."
        )
    if revocations.next_update_utc is None or revocations.next_update_utc < moment:
        raise AuthenticationError("The list of revoked certificates has run out: have the authority make the next.")
    if revocations.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
        raise AuthenticationError("The certificate is revoked.")


def refuse_incomplete(revocations: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    """Refuse a list that is not of an authority, or in which a revoked certificate of it may be missing.

    Raises:
        ConfigError: it is so.
    """
    try:
        key = issuer.public_key()
        is_its_own = revocations.issuer == issuer.subject and revocations.is_signature_valid(key)  # type: ignore[arg-type]  # what cannot sign is a TypeError
        extensions = list(revocations.extensions)
        weakness = weakness_of_hash(revocations)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ConfigError("The list of revoked certificates cannot be read: have the authority make another.") from None
    if not is_its_own:
        raise ConfigError("The list of revoked certificates is not of the authority that issued the certificate.")
    if weakness or not _may_sign_lists(issuer):
        why = weakness or "its authority's certificate is not for signing lists (cRLSign)"
        raise ConfigError(f"The list of revoked certificates is not believed: {why}.")
    for extension in extensions:
        _refuse_part(extension)


def _refuse_part(extension: x509.Extension[x509.ExtensionType]) -> None:
    value = extension.value
    if isinstance(value, x509.DeltaCRLIndicator):
        raise ConfigError(
            "The list of revoked certificates is a delta, which has only what changed: give the complete list."
        )
    if isinstance(value, x509.IssuingDistributionPoint):
        if value.indirect_crl:
            raise ConfigError(
                "The list of revoked certificates is an indirect one, of several authorities: give the authority's own."
            )
        # One of all certificates but those of authorities is complete for what is verified.
        narrower = (value.full_name, value.relative_name, value.only_some_reasons)
        if any(narrower) or value.only_contains_ca_certs or value.only_contains_attribute_certs:
            raise ConfigError(
                "The list of revoked certificates is a part of all (issuingDistributionPoint): give the complete list."
            )
    elif extension.critical:
        raise ConfigError(
            f"The list of revoked certificates has a critical extension that is not known here"
            f" ({extension.oid.dotted_string}): give one without it."
        )


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True  # RFC 5280 section 4.2.1.3: a certificate without it is not limited
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
