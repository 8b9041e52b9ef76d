"""Signatures of content, and content that is encrypted to a certificate."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from dicom_common.certs import Authority, Issued, KeyType, Trust, Usage, decrypt, encrypt, sign, verify_signature
from dicom_common.core import AuthenticationError, ConfigError, DamagedError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTENT = bytes(range(256)) * 10


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority.create("Our site", now=NOW)


@pytest.fixture(scope="module")
def trust(ours: Authority) -> Trust:
    return Trust(authorities=[ours.certificate])


def signer(authority: Authority, key_type: str = "ec-p256") -> Issued:
    return authority.issue(["archive.hospital.example"], Usage.SIGNING, key_type=KeyType(key_type), now=NOW)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_signature_tells_who_signed_what(ours: Authority, trust: Trust, key_type: str) -> None:
    signature = sign(io.BytesIO(CONTENT), signer(ours, key_type), now=NOW)
    signed = verify_signature(io.BytesIO(CONTENT), signature, trust, now=NOW)
    assert (signed.names, signed.moment) == (("archive.hospital.example",), NOW)
    with pytest.raises(DamagedError, match="content"):
        verify_signature(io.BytesIO(CONTENT + b"\0"), signature, trust, now=NOW)
    with pytest.raises(AuthenticationError, match="not for"):
        verify_signature(io.BytesIO(CONTENT), signature, trust, name="other.example", now=NOW)
    with pytest.raises(AuthenticationError, match="dates"):
        verify_signature(io.BytesIO(CONTENT), signature, trust, now=NOW + timedelta(days=400))


def test_a_signature_by_a_stranger_or_a_revoked_signer_is_refused(ours: Authority, trust: Trust) -> None:
    stranger = sign(io.BytesIO(CONTENT), signer(Authority.create("Our site", now=NOW)), now=NOW)
    with pytest.raises(AuthenticationError):
        verify_signature(io.BytesIO(CONTENT), stranger, trust, now=NOW)
    pair = signer(ours)
    signature = sign(io.BytesIO(CONTENT), pair, now=NOW)
    revoked = Trust(authorities=[ours.certificate], revocations=ours.revoke([pair.certificate], now=NOW))
    with pytest.raises(AuthenticationError, match="revoked"):
        verify_signature(io.BytesIO(CONTENT), signature, revoked, now=NOW)


def test_no_part_of_a_signature_can_be_exchanged(ours: Authority, trust: Trust) -> None:
    first, second = (json.loads(sign(io.BytesIO(text), signer(ours), now=NOW)) for text in (CONTENT, b"other"))
    moved = first["statement"].replace("2026-03-01", "2026-03-02")
    for changes in (
        {"statement": second["statement"]},
        {"statement": moved},
        {"signature": second["signature"]},
        {"certificate": second["certificate"]},
        {"certificate": second["certificate"], "signature": second["signature"]},
        {"version": 2},
        {"statement": 7},
        {"certificate": "none"},
        {"signature": "?"},
    ):
        with pytest.raises(DamagedError):
            verify_signature(io.BytesIO(CONTENT), json.dumps({**first, **changes}).encode(), trust, now=NOW)


@pytest.mark.parametrize("junk", [b"", b"\xff", b"[]", b"{}", b"null", b"[" * 60_000, b" " * 70_000], ids=range(7))
def test_what_is_no_signature_is_said_to_be_none(trust: Trust, junk: bytes) -> None:
    with pytest.raises(DamagedError, match="no signature"):
        verify_signature(io.BytesIO(CONTENT), junk, trust, now=NOW)


@pytest.mark.parametrize("usage", sorted(set(Usage) - {Usage.SIGNING}))
def test_only_a_certificate_for_signing_signs(ours: Authority, usage: Usage) -> None:
    with pytest.raises(ConfigError, match="not for signing"):
        sign(io.BytesIO(CONTENT), ours.issue(["a.example"], usage, now=NOW))


def test_a_key_of_another_pair_does_not_sign(ours: Authority) -> None:
    with pytest.raises(ConfigError, match="does not belong"):
        sign(io.BytesIO(CONTENT), Issued(certificate=signer(ours).certificate, key=signer(ours).key))


@pytest.fixture(scope="module")
def recipient(ours: Authority) -> Issued:
    return ours.issue(["research.hospital.example"], Usage.ENCRYPTION, now=NOW)


@pytest.mark.parametrize("content", [b"", CONTENT])
def test_only_the_recipient_decrypts(ours: Authority, trust: Trust, recipient: Issued, content: bytes) -> None:
    sealed = encrypt(content, recipient.certificate, trust, now=NOW)
    assert decrypt(sealed, recipient.key) == content
    assert sealed != encrypt(content, recipient.certificate, trust, now=NOW)
    another = ours.renew(recipient.certificate, now=NOW)
    with pytest.raises(DamagedError):
        decrypt(sealed, another.key)


def test_a_change_of_any_byte_is_noticed(trust: Trust, recipient: Issued) -> None:
    sealed = encrypt(b"image", recipient.certificate, trust, now=NOW)
    for place in range(len(sealed)):
        with pytest.raises(DamagedError):
            decrypt(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :], recipient.key)
        with pytest.raises(DamagedError):
            decrypt(sealed[:place], recipient.key)


def test_nothing_is_encrypted_to_a_certificate_that_is_not_good_for_it(ours: Authority, recipient: Issued) -> None:
    trust = Trust(authorities=[ours.certificate])
    for usage in set(Usage) - {Usage.ENCRYPTION}:
        with pytest.raises(AuthenticationError):
            encrypt(CONTENT, ours.issue(["a.example"], usage, now=NOW).certificate, trust, now=NOW)
    with pytest.raises(AuthenticationError, match="dates"):
        encrypt(CONTENT, recipient.certificate, trust, now=NOW + timedelta(days=400))
    stranger = Trust(authorities=[Authority.create("Our site", now=NOW).certificate])
    with pytest.raises(AuthenticationError):
        encrypt(CONTENT, recipient.certificate, stranger, now=NOW)


def test_rsa_is_not_for_encryption(ours: Authority, trust: Trust, recipient: Issued) -> None:
    with pytest.raises(ConfigError, match="ec-p256"):
        ours.issue(["a.example"], Usage.ENCRYPTION, key_type=KeyType.RSA_3072, now=NOW)
    sealed = encrypt(CONTENT, recipient.certificate, trust, now=NOW)
    with pytest.raises(ConfigError, match="ec-p256"):
        decrypt(sealed, signer(ours, "rsa-3072").key)


@pytest.mark.parametrize(
    "statement", ["[" * 30_000, "\ud800"], ids=["a statement that nests deep", "a lone surrogate in the statement"]
)
def test_a_strangers_hostile_statement_is_no_signature(trust: Trust, statement: str) -> None:
    # Signed by a key of his own: what is in it is read before anybody asks who that is.
    stranger = signer(Authority.create("Stranger", now=NOW))
    assert isinstance(stranger.key, ec.EllipticCurvePrivateKey)
    content = b"dicom-common signature 1\n" + statement.encode("utf-8", "surrogatepass")
    document = json.loads(sign(io.BytesIO(CONTENT), stranger, now=NOW))
    made = base64.b64encode(stranger.key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()
    signature = json.dumps(document | {"statement": statement, "signature": made}).encode()
    with pytest.raises(DamagedError):
        verify_signature(io.BytesIO(CONTENT), signature, trust, now=NOW)


def test_a_certificate_with_a_key_of_an_unknown_kind_is_refused(ours: Authority, trust: Trust) -> None:
    document = json.loads(sign(io.BytesIO(CONTENT), signer(ours), now=NOW))
    der = x509.load_pem_x509_certificate(document["certificate"].encode()).public_bytes(Encoding.DER)
    p256, unknown = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177")
    changed = base64.encodebytes(der.replace(p256, unknown)).decode()
    document["certificate"] = f"-----BEGIN CERTIFICATE-----\n{changed}-----END CERTIFICATE-----\n"
    with pytest.raises(AuthenticationError, match="kind"):
        verify_signature(io.BytesIO(CONTENT), json.dumps(document).encode(), trust, now=NOW)
