"""An authority that issues certificates, renews and revokes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from dicom_common.certs._names import Usage, alternatives, names_of, purpose, usage_of
from dicom_common.certs._revocations import refuse_incomplete
from dicom_common.certs._strength import weakness_of_key
from dicom_common.certs._verifying import Trust, verify
from dicom_common.core import AuthenticationError, ConfigError

__all__ = ["Authority", "Issued", "KeyType", "PrivateKey"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_AUTHORITY_DAYS = 3650
_LEAF_DAYS = 398
_BACKDATED = timedelta(hours=1)
"""Clocks differ: what is new here must not be "not yet valid" elsewhere."""


class KeyType(StrEnum):
    """The kind of a key pair."""

    EC_P256 = "ec-p256"
    RSA_3072 = "rsa-3072"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its private key, which no `repr` shows."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority: a self-signed certificate and its key.

    Whoever has the key can be everybody at this site: keep it off the servers that the certificates are for.

    Raises:
        ConfigError: the key does not belong to the certificate.
    """

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a certificate and a key that do not belong together."""
        if weakness_of_key(self.certificate):
            raise ConfigError(f"The authority's certificate is not used: {weakness_of_key(self.certificate)}.")
        if self.certificate.public_key() != self.key.public_key():
            raise ConfigError("The authority's key does not belong to its certificate: give the files of one pair.")

    @classmethod
    def create(
        cls,
        name: str,
        *,
        permitted_dns: Sequence[str] = (),
        key_type: KeyType = KeyType.EC_P256,
        days: int = _AUTHORITY_DAYS,
        now: datetime | None = None,
    ) -> Authority:
        """Make a new authority.

        Args:
            name: what people read, 1 to 64 characters.
            permitted_dns: domains; where given, DNS names outside of them are not believed (RFC 5280 section 4.2.1.10).
                Other kinds of names are not limited by it.
            key_type: of the authority's own key.
            days: at most 3650.
            now: with a time zone; the clock's by default.

        Raises:
            ConfigError: the name, a domain or the number of days is not possible.
        """
        if not 1 <= len(name) <= 64 or not name.isprintable():
            raise ConfigError("The name of an authority has 1 to 64 printable characters.")
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key = _new_key(key_type)
        start = _start(now)
        builder = _builder(subject, subject, key, start, start + _lifetime(days, _AUTHORITY_DAYS))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if permitted_dns:
            domains = alternatives(permitted_dns, Usage.CLIENT)
            if not all(isinstance(domain, x509.DNSName) for domain in domains):
                raise ConfigError("An authority can be limited to domains only: give DNS names.")
            builder = builder.add_extension(x509.NameConstraints(domains, None), critical=True)
        return cls(certificate=builder.sign(key, hashes.SHA256()), key=key)

    def issue(
        self,
        names: Sequence[str],
        usage: Usage,
        *,
        key_type: KeyType = KeyType.EC_P256,
        days: int = _LEAF_DAYS,
        now: datetime | None = None,
    ) -> Issued:
        """Issue a certificate with a new key.

        Args:
            names: DNS names, IP addresses or e-mail addresses. The first is the common name, too.
            usage: what it is for, and nothing else.
            key_type: for encryption always EC.
            days: at most 398. It never outlives the authority.
            now: with a time zone; the clock's by default.

        Raises:
            ConfigError: a name, the number of days or the kind of key is not possible.
        """
        if usage is Usage.ENCRYPTION and key_type is not KeyType.EC_P256:
            raise ConfigError("A certificate for encryption needs a key of the kind ec-p256.")
        moment = now or datetime.now(UTC)
        alternative = alternatives(names, usage)
        # RFC 5280 bounds the common name; without one the other names are critical.
        common = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])] if len(names[0]) <= 64 else []
        key = _new_key(key_type)
        start = max(_start(moment), self.certificate.not_valid_before_utc)
        end = min(start + _lifetime(days, _LEAF_DAYS), self.certificate.not_valid_after_utc)
        if end <= moment:
            raise ConfigError("The authority's certificate has expired: make another authority.")
        builder = _builder(x509.Name(common), self.certificate.subject, key, start, end)
        agreement = "key_agreement" if usage is Usage.ENCRYPTION else "digital_signature"
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(agreement), True),
            (x509.ExtendedKeyUsage([purpose(usage)]), False),
            (x509.SubjectAlternativeName(alternative), not common),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False),
        ):
            builder = builder.add_extension(extension, critical=critical)
        certificate = builder.sign(self.key, hashes.SHA256())
        try:
            verify(certificate, Trust(authorities=(self.certificate,)), usage, now=moment)
        except AuthenticationError as error:
            raise ConfigError(
                "The authority may not issue such a certificate: its domains do not permit the names, or it is no"
                " authority."
            ) from error
        return Issued(certificate=certificate, key=key)

    def renew(self, certificate: x509.Certificate, *, now: datetime | None = None) -> Issued:
        """Issue a certificate of the same names, usage, kind of key and length, with a new key.

        The old one stays valid until it expires or is revoked: both work while the new one is put in place.

        Raises:
            ConfigError: it is not one that this authority has issued.
        """
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except Exception as error:
            raise ConfigError("This authority did not issue the certificate: renew it where it comes from.") from error
        usage = usage_of(certificate)
        if usage is None:
            raise ConfigError("The certificate has no usage that can be issued anew: issue another one.")
        rsa_key = isinstance(certificate.public_key(), rsa.RSAPublicKey)
        length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return self.issue(
            names_of(certificate),
            usage,
            key_type=KeyType.RSA_3072 if rsa_key else KeyType.EC_P256,
            days=max(length.days, 1),
            now=now,
        )

    def revoke(
        self,
        certificates: Sequence[x509.Certificate],
        *,
        before: x509.CertificateRevocationList | None = None,
        days: int = 30,
        now: datetime | None = None,
    ) -> x509.CertificateRevocationList:
        """Make the next list of revoked certificates (RFC 5280 section 5).

        Args:
            certificates: what is revoked now; none to make the list last longer.
            before: the list until now, all of which is taken over.
            days: how long the list may be used, 1 to 398.
            now: with a time zone; the clock's by default.

        Raises:
            ConfigError: a certificate or the former list is not of this authority, or that list is not complete.
        """
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        if before is not None:
            refuse_incomplete(before, self.certificate)
        entries = {entry.serial_number: entry for entry in before or ()}
        for certificate in certificates:
            try:
                certificate.verify_directly_issued_by(self.certificate)
            except Exception as error:
                raise ConfigError("This authority did not issue the certificate, and cannot revoke it.") from error
            revoked = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(moment)
            entries.setdefault(certificate.serial_number, revoked.build())
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(moment - _BACKDATED).next_update(moment + _lifetime(days, _LEAF_DAYS))
        builder = builder.add_extension(x509.CRLNumber(_number(before) + 1), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        for entry in entries.values():
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, hashes.SHA256())


def _new_key(key_type: KeyType) -> PrivateKey:
    if key_type is KeyType.RSA_3072:
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP256R1())


def _start(now: datetime | None) -> datetime:
    return (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0) - _BACKDATED


def _lifetime(days: int, most: int) -> timedelta:
    if not 1 <= days <= most:
        raise ConfigError(f"{days} days are not possible: give 1 to {most}.")
    return timedelta(days=days)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)


def _key_usage(*wanted: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in wanted for name in every})


def _number(revocations: x509.CertificateRevocationList | None) -> int:
    if revocations is None:
        return 0
    try:
        return revocations.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0
