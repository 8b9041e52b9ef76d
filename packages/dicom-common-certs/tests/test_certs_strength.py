"""Weak keys, chains of authorities that are none, and lists of revoked certificates that do not tell all."""

from __future__ import annotations

import base64
import dataclasses
import io
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from dicom_common.certs import Authority, Issued, Trust, Usage, describe, read_certificate, read_key, sign, verify
from dicom_common.core import AuthenticationError, ConfigError, DicomCommonError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEY_USAGES = (
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
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def key_usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in wanted for name in KEY_USAGES})


@dataclass(frozen=True)
class Party:
    """Somebody with a certificate and its key."""

    certificate: x509.Certificate
    key: Any


PLAIN_AUTHORITY: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (key_usage("key_cert_sign", "crl_sign"), True),
)
PLAIN_CLIENT: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (x509.BasicConstraints(ca=False, path_length=None), True),
    (key_usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
    (x509.SubjectAlternativeName([x509.DNSName("worker.clinic.example")]), False),
)


def certified(
    name: str,
    issuer: Party | None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    *,
    key: Any = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    hash_: Any = hashes.SHA256(),  # noqa: B008 - it has no state
) -> Party:
    """Certify a key; an extension of `more` takes the place of one of its kind."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    builder = x509.CertificateBuilder(issuer.certificate.subject if issuer else subject, subject, key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    kinds = {type(extension) for extension, _ in more}
    for extension, critical in (*(one for one in extensions if type(one[0]) not in kinds), *more):
        builder = builder.add_extension(extension, critical)
    identifiers: tuple[x509.ExtensionType, ...] = (
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
    )
    for extension in identifiers:
        builder = builder.add_extension(extension, critical=False)
    return Party(builder.sign(signer, hash_), key)


@pytest.fixture(scope="module")
def root() -> Party:
    return certified("Root", None, PLAIN_AUTHORITY)


def check(client: Party, root: Party, *between: Party, usage: Usage = Usage.CLIENT, **more: Any) -> list[str]:
    trust = Trust(authorities=[root.certificate], intermediates=[party.certificate for party in between], **more)
    return verify(client.certificate, trust, usage, now=NOW)


WEAK: dict[str, Callable[[], Any]] = {
    "P-192": lambda: ec.generate_private_key(ec.SECP192R1()),
    "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "brainpool": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "RSA 1024": lambda: rsa.generate_private_key(65537, 1024),
    "DSA": lambda: dsa.generate_private_key(2048),
}
GOOD: dict[str, Callable[[], Any]] = {
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA 2048": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}


@pytest.mark.parametrize("kind", [kind for kind in WEAK if kind != "DSA"])
@pytest.mark.parametrize("place", ["client", "between", "root"])
def test_a_weak_key_is_refused_wherever_it_stands_in_a_chain(kind: str, place: str) -> None:
    weak = WEAK[kind]()
    root = certified("Root", None, PLAIN_AUTHORITY, key=weak if place == "root" else None)
    between = certified("Between", root, PLAIN_AUTHORITY, key=weak if place == "between" else None)
    client = certified("Client", between, PLAIN_CLIENT, key=weak if place == "client" else None)
    with pytest.raises(AuthenticationError):
        check(client, root, between)


def test_a_key_of_a_kind_that_is_not_used_is_refused(root: Party) -> None:
    with pytest.raises(AuthenticationError, match="kind"):
        check(certified("Client", root, PLAIN_CLIENT, key=WEAK["DSA"]()), root)


@pytest.mark.parametrize("kind", GOOD)
def test_strong_keys_are_good(root: Party, kind: str) -> None:
    assert check(certified("Client", root, PLAIN_CLIENT, key=GOOD[kind]()), root) == ["worker.clinic.example"]


def test_what_a_kind_of_key_cannot_do_is_refused(root: Party) -> None:
    agrees = x25519.X25519PrivateKey.generate().public_key()
    builder = x509.CertificateBuilder(root.certificate.subject, root.certificate.subject, agrees)
    builder = builder.serial_number(7).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    for extension, critical in (*PLAIN_CLIENT, (identifier, False)):
        builder = builder.add_extension(extension, critical)
    with pytest.raises(AuthenticationError, match="cannot be used for client"):
        check(Party(builder.sign(root.key, hashes.SHA256()), None), root)


@pytest.mark.parametrize("wanted", ["key_agreement", "content_commitment", "key_encipherment"])
def test_the_key_usage_of_a_client_has_to_permit_signing(root: Party, wanted: str) -> None:
    with pytest.raises(AuthenticationError, match="key usage"):
        check(certified("Client", root, PLAIN_CLIENT, more=[(key_usage(wanted), True)]), root)


@pytest.mark.parametrize(
    "more",
    [
        (key_usage("crl_sign"), True),
        (key_usage("digital_signature"), True),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.NameConstraints(None, [x509.DNSName("clinic.example")]), True),
        (x509.NameConstraints([x509.DNSName("hospital.example")], None), True),
        (x509.NameConstraints([x509.DirectoryName(x509.Name([]))], None), True),
        (x509.PolicyConstraints(0, None), True),
        (x509.InhibitAnyPolicy(0), True),
        (UNKNOWN, True),
    ],
    ids=lambda more: type(more[0]).__name__,
)
def test_what_may_not_issue_does_not_stand_between(root: Party, more: tuple[x509.ExtensionType, bool]) -> None:
    between = certified("Between", root, PLAIN_AUTHORITY, more=[more])
    with pytest.raises(AuthenticationError, match="not good"):
        check(certified("Client", between, PLAIN_CLIENT), root, between)


def test_the_length_of_a_chain_is_bounded_by_its_authorities() -> None:
    short = certified("Root", None, PLAIN_AUTHORITY, more=[(x509.BasicConstraints(ca=True, path_length=0), True)])
    assert check(certified("Client", short, PLAIN_CLIENT), short)
    between = certified("Between", short, PLAIN_AUTHORITY)
    with pytest.raises(AuthenticationError):
        check(certified("Client", between, PLAIN_CLIENT), short, between)


def test_who_is_no_authority_issues_nothing(root: Party) -> None:
    client = certified("Client", root, PLAIN_CLIENT)
    with pytest.raises(AuthenticationError):
        check(certified("Another", client, PLAIN_CLIENT), root, client)


@pytest.mark.parametrize("extension", [UNKNOWN, x509.NameConstraints([x509.DNSName("clinic.example")], None)])
def test_a_critical_extension_that_is_not_known_refuses(root: Party, extension: x509.ExtensionType) -> None:
    with pytest.raises(AuthenticationError):
        check(certified("Client", root, PLAIN_CLIENT, more=[(extension, True)]), root)


@pytest.mark.parametrize(("last", "hash_"), [(0x05, hashes.SHA1()), (0x04, hashes.MD5()), (0x0E, hashes.SHA224())])
def test_a_signature_with_a_weak_hash_is_refused(last: int, hash_: hashes.HashAlgorithm) -> None:
    root = certified("Root", None, PLAIN_AUTHORITY, key=rsa.generate_private_key(65537, 2048))
    good = certified("Client", root, PLAIN_CLIENT)
    assert check(good, root)
    sha256, other = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d0101") + bytes([last])
    der = good.certificate.public_bytes(Encoding.DER).replace(sha256, other)
    begin = good.certificate.tbs_certificate_bytes.replace(sha256, other)
    signature = root.key.sign(begin, padding.PKCS1v15(), hash_)
    weak = x509.load_der_x509_certificate(der[: -len(signature)] + signature)
    with pytest.raises(AuthenticationError, match="algorithm"):
        check(Party(weak, good.key), root)


def revocations(
    issuer: Party,
    *extensions: tuple[x509.ExtensionType, bool],
    revoked: Sequence[x509.Certificate] = (),
    since: timedelta = -DAY,
    until: timedelta = DAY,
    hash_: Any = hashes.SHA256(),  # noqa: B008 - it has no state
) -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(NOW + since).next_update(NOW + until)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(NOW - DAY)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hash_)


def scope(**changes: Any) -> x509.IssuingDistributionPoint:
    fields: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(fields | changes))


PARTIAL = {
    "delta": (x509.DeltaCRLIndicator(1), "delta"),
    "indirect": (scope(indirect_crl=True), "indirect"),
    "authorities only": (scope(only_contains_ca_certs=True), "part"),
    "attributes only": (scope(only_contains_attribute_certs=True), "part"),
    "some reasons": (scope(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), "part"),
    "one place": (scope(full_name=[x509.UniformResourceIdentifier("http://clinic.example/1.crl")]), "part"),
    "unknown": (UNKNOWN, "critical extension"),
}


@pytest.mark.parametrize("kind", PARTIAL)
def test_a_list_that_does_not_tell_all_is_refused_by_name(root: Party, kind: str) -> None:
    client = certified("Client", root, PLAIN_CLIENT)
    extension, why = PARTIAL[kind]
    for revoked in ([], [client.certificate]):
        listed = revocations(root, (extension, True), revoked=revoked)
        with pytest.raises(ConfigError, match=why):
            check(client, root, revocations=listed)


def test_a_list_of_all_but_authorities_is_complete_and_what_is_not_critical_is_passed_over(root: Party) -> None:
    client, other = (certified("Client", root, PLAIN_CLIENT) for _ in range(2))
    extensions = ((scope(only_contains_user_certs=True), True), (UNKNOWN, False), (x509.CRLNumber(4), False))
    listed = revocations(root, *extensions, revoked=[other.certificate])
    assert check(client, root, revocations=listed)
    with pytest.raises(AuthenticationError, match="revoked"):
        check(other, root, revocations=listed)


@pytest.mark.parametrize("since", [timedelta(seconds=1), timedelta(hours=2), 300 * DAY])
def test_a_list_of_the_future_refuses_all(root: Party, since: timedelta) -> None:
    client = certified("Client", root, PLAIN_CLIENT)
    with pytest.raises(AuthenticationError, match="future"):
        check(client, root, revocations=revocations(root, since=since, until=400 * DAY))
    assert check(client, root, revocations=revocations(root, since=timedelta()))


def test_a_list_by_who_may_not_sign_lists_is_refused() -> None:
    only_certs = certified("Root", None, PLAIN_AUTHORITY, more=[(key_usage("key_cert_sign"), True)])
    client = certified("Client", only_certs, PLAIN_CLIENT)
    assert check(client, only_certs)
    with pytest.raises(ConfigError, match="cRLSign"):
        check(client, only_certs, revocations=revocations(only_certs))


def test_a_list_with_a_weak_hash_is_refused(root: Party) -> None:
    client = certified("Client", root, PLAIN_CLIENT)
    with pytest.raises(ConfigError, match="sha224"):
        check(client, root, revocations=revocations(root, hash_=hashes.SHA224()))


@pytest.mark.parametrize("kind", GOOD)
def test_a_list_signed_with_another_kind_of_key_is_refused(root: Party, kind: str) -> None:
    client = certified("Client", root, PLAIN_CLIENT)
    stranger = Party(root.certificate, GOOD[kind]())
    hash_ = None if kind.startswith("Ed") else hashes.SHA256()
    with pytest.raises(ConfigError, match="not of the authority"):
        check(client, root, revocations=revocations(stranger, hash_=hash_))


@pytest.mark.parametrize("kind", PARTIAL)
def test_no_list_is_made_on_top_of_one_that_does_not_tell_all(kind: str) -> None:
    ours = Authority.create("Our site", now=NOW)
    before = revocations(Party(ours.certificate, ours.key), (PARTIAL[kind][0], True))
    with pytest.raises(ConfigError, match=PARTIAL[kind][1]):
        ours.revoke([], before=before, now=NOW)


def test_an_authority_with_a_weak_key_is_none() -> None:
    weak = certified("Root", None, PLAIN_AUTHORITY, key=WEAK["P-192"]())
    with pytest.raises(ConfigError, match="secp192r1"):
        Authority(certificate=weak.certificate, key=weak.key)


def test_whatever_is_changed_in_a_certificate_or_a_list_is_an_error_of_the_library() -> None:
    ours = Authority.create("Our site", now=NOW)
    pair = ours.issue(["archive.clinic.example"], Usage.SIGNING, now=NOW)
    listed = ours.revoke([pair.certificate], now=NOW)
    chance, trust = random.Random(12), Trust(authorities=[ours.certificate])
    calls: list[Callable[[Any], object]] = [
        describe,
        lambda made: verify(made, trust, Usage.SIGNING, now=NOW),
        lambda made: verify(pair.certificate, Trust(authorities=[made]), Usage.SIGNING, now=NOW),
        lambda made: ours.renew(made, now=NOW),
        lambda made: ours.revoke([made], now=NOW),
        lambda made: Authority(certificate=made, key=pair.key),
        lambda made: sign(io.BytesIO(b"x"), Issued(certificate=made, key=pair.key)),
    ]
    of_lists: list[Callable[[Any], object]] = [
        lambda made: verify(pair.certificate, dataclasses.replace(trust, revocations=made), Usage.SIGNING, now=NOW),
        lambda made: ours.revoke([], before=made, now=NOW),
    ]
    for whole, load, tried in (
        (pair.certificate, x509.load_der_x509_certificate, calls),
        (listed, x509.load_der_x509_crl, of_lists),
    ):
        for _ in range(200):
            data = bytearray(whole.public_bytes(Encoding.DER))
            for _ in range(chance.randint(1, 3)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with suppress(ValueError, x509.InvalidVersion):
                made = load(bytes(data))
                for call in tried:
                    try:
                        call(made)
                    except DicomCommonError:
                        continue
                    except ValueError as error:
                        raise AssertionError("a foreign error") from error


def test_a_file_of_another_version_or_kind_is_named(tmp_path: Path) -> None:
    ours = Authority.create("Our site", now=NOW)
    der = ours.certificate.public_bytes(Encoding.DER).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x4f", 1)
    key = ours.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    key = key.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177"))
    for label, content, read in (("CERTIFICATE", der, read_certificate), ("PRIVATE KEY", key, read_key)):
        text = base64.encodebytes(content).decode()
        (tmp_path / "strange.pem").write_text(f"-----BEGIN {label}-----\n{text}-----END {label}-----\n")
        with pytest.raises(ConfigError, match=r"strange\.pem"):
            read(tmp_path / "strange.pem")
