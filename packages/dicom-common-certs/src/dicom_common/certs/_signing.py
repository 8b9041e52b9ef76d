"""Detached signatures of files, with the certificate of who signed.

A signature is a JSON document: a statement (digest, moment, fingerprint of the certificate) as one text, the signature
of exactly that text, and the certificate. `cryptography` makes CMS signatures (RFC 5652) but cannot verify them, so
this is a format of our own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from dicom_common.certs._authority import Issued
from dicom_common.certs._names import Usage, usage_of
from dicom_common.certs._strength import weakness_of_key
from dicom_common.certs._verifying import Trust, verify
from dicom_common.core import AuthenticationError, ConfigError, DamagedError
from dicom_common.toolkit import parse_json

__all__ = ["Signed", "sign", "verify_signature"]

_CONTEXT = b"dicom-common signature 1\n"
"""Stands before what is signed: a signature that was made for something else is never one of these."""
_LARGEST = 64 * 1024
_PIECE = 1024 * 1024
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A signature that is good."""

    names: tuple[str, ...]
    """Whose it is: the names in the certificate."""
    moment: datetime
    """When it was made, according to the signer; no other party attests it."""
    certificate: x509.Certificate


def sign(source: BinaryIO, signer: Issued, *, now: datetime | None = None) -> bytes:
    """Sign a stream, which is read to its end in pieces: ECDSA or RSA-PSS, with SHA-256.

    Raises:
        ConfigError: the certificate is not for signing, or its key is another or too weak.
    """
    if usage_of(signer.certificate) is not Usage.SIGNING:
        raise ConfigError('The certificate is not for signing: have one issued for the usage "signing".')
    if why := weakness_of_key(signer.certificate):
        raise ConfigError(f"The certificate is not used for signing: {why}.")
    if signer.certificate.public_key() != signer.key.public_key():
        raise ConfigError("The key does not belong to the certificate: give the files of one pair.")
    statement = json.dumps(
        {
            "sha256": _digest(source),
            "signed": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
            "certificate": signer.certificate.fingerprint(hashes.SHA256()).hex(),
        }
    )
    content = _CONTEXT + statement.encode()
    if isinstance(signer.key, rsa.RSAPrivateKey):
        signature = signer.key.sign(content, _PSS, hashes.SHA256())
    else:
        signature = signer.key.sign(content, ec.ECDSA(hashes.SHA256()))
    document = {
        "version": 1,
        "statement": statement,
        "signature": base64.b64encode(signature).decode(),
        "certificate": signer.certificate.public_bytes(Encoding.PEM).decode(),
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def verify_signature(
    source: BinaryIO,
    signature: bytes,
    trust: Trust,
    *,
    name: str | None = None,
    now: datetime | None = None,
) -> Signed:
    """Verify that a stream is what was signed, and who signed it.

    Args:
        source: read to its end in pieces.
        signature: what `sign` returned.
        trust: who is trusted.
        name: the name that must be in the certificate; by default any.
        now: the moment at which the certificate must be good; the clock's by default. The moment that the signer states
            proves nothing against who has a stolen key.

    Raises:
        DamagedError: the stream, or the signature, is not what it was.
        AuthenticationError: the certificate is not good.
    """
    statement, raw, certificate = _parsed(signature)
    _check(certificate, raw, _CONTEXT + statement.encode())
    try:
        said = parse_json(statement)
        digest, fingerprint, moment = said["sha256"], said["certificate"], datetime.fromisoformat(said["signed"])
    except (ValueError, TypeError, KeyError) as error:
        raise _no_signature() from error
    if fingerprint != certificate.fingerprint(hashes.SHA256()).hex():
        raise DamagedError("The signature was made for another certificate than the one in it.")
    names = verify(certificate, trust, Usage.SIGNING, name=name, now=now)
    if digest != _digest(source):
        raise DamagedError("The content is not what was signed.")
    return Signed(names=tuple(names), moment=moment, certificate=certificate)


def _digest(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _no_signature() -> DamagedError:
    return DamagedError("This is no signature of the version 1: give the file that `sign` wrote.")


def _parsed(signature: bytes) -> tuple[str, bytes, x509.Certificate]:
    if len(signature) > _LARGEST:
        raise _no_signature()
    try:
        document: dict[str, Any] = parse_json(signature)
        if document["version"] != 1 or not isinstance(document["statement"], str):
            raise _no_signature()
        certificate = x509.load_pem_x509_certificate(document["certificate"].encode())
        return document["statement"], base64.b64decode(document["signature"], validate=True), certificate
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        x509.InvalidVersion,
    ) as error:  # binascii's is a ValueError
        raise _no_signature() from error


def _check(certificate: x509.Certificate, signature: bytes, content: bytes) -> None:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError) as error:
        raise AuthenticationError("The certificate's key is of no kind that signs here.") from error
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, content, _PSS, hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
        else:
            raise AuthenticationError("The certificate's key is of no kind that signs here.")
    except InvalidSignature as error:
        raise DamagedError("The signature is not that of the certificate in it.") from error
