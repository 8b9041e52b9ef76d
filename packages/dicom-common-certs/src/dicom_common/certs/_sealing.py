"""Encryption to a certificate, by HPKE (RFC 9180): DHKEM(P-256), HKDF-SHA256, AES-256-GCM.

Not CMS (RFC 5652): the envelopes that `cryptography` makes have RSA PKCS #1 v1.5 and AES-CBC without authentication, in
which changed content passes for what was sent.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec

from dicom_common.certs._authority import PrivateKey
from dicom_common.certs._names import Usage
from dicom_common.certs._verifying import Trust, verify
from dicom_common.core import ConfigError, DamagedError

__all__ = ["decrypt", "encrypt"]

_MAGIC = b"dicom-common sealed 1\n"
_HEADER = len(_MAGIC) + hashes.SHA256.digest_size
_SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def encrypt(
    content: bytes,
    recipient: x509.Certificate,
    trust: Trust,
    *,
    now: datetime | None = None,
) -> bytes:
    """Encrypt to the holder of a certificate, which is verified first.

    Who encrypted is not proven: sign as well where that matters. The content and the result are in memory.

    Raises:
        AuthenticationError: the certificate is not good for encryption.
        ConfigError: its key is not on the curve P-256.
    """
    verify(recipient, trust, Usage.ENCRYPTION, now=now)
    key = recipient.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError("The recipient's key is not of the kind ec-p256: have another certificate issued.")
    header = _MAGIC + recipient.fingerprint(hashes.SHA256())
    return header + _SUITE.encrypt(content, key, info=header)


def decrypt(sealed: bytes, key: PrivateKey) -> bytes:
    """Decrypt with the private key of the certificate that something was encrypted to.

    Raises:
        DamagedError: it was encrypted to another certificate, or is not what it was.
        ConfigError: the key is not on the curve P-256.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError("The key is not of the kind ec-p256: give that of the recipient's certificate.")
    if not sealed.startswith(_MAGIC):
        raise DamagedError("This was not encrypted to a certificate: give what `encrypt` made.")
    try:
        return _SUITE.decrypt(sealed[_HEADER:], key, info=sealed[:_HEADER])
    except (InvalidTag, ValueError) as error:
        raise DamagedError("It was encrypted to another certificate, or is not what it was.") from error
