"""Which keys and hashes are strong enough, and what a key may be used for."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519

from dicom_common.certs._names import Usage

__all__ = ["unfit_for", "weakness_of_hash", "weakness_of_key"]

_RSA_BITS = range(2048, 16385)
"""More take seconds to verify, and are asked for by strangers."""
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


def weakness_of_key(certificate: x509.Certificate) -> str:
    """Return what is wrong with the key of a certificate; empty: nothing."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "its key is of a kind or on a curve that is not known here"
    if isinstance(key, rsa.RSAPublicKey):
        return "" if key.key_size in _RSA_BITS else f"an RSA key has {key.key_size} bits, not 2048 to 16384"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return (
            "" if isinstance(key.curve, _CURVES) else f"a key is on the curve {key.curve.name}, not P-256, 384 or 521"
        )
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey, x25519.X25519PublicKey, x448.X448PublicKey)):
        return ""
    return "its key is of a kind that is not used here: it has to be EC, RSA or Edwards"


def weakness_of_hash(signed: x509.Certificate | x509.CertificateRevocationList) -> str:
    """Return what is wrong with the hash under a signature; empty: nothing.

    Raises:
        UnsupportedAlgorithm: it is not known.
    """
    found = signed.signature_hash_algorithm  # None: that of an Edwards curve, which has its own
    return "" if found is None or isinstance(found, _HASHES) else f"it is signed with {found.name}, which can be forged"


def unfit_for(certificate: x509.Certificate, usage: Usage) -> str:
    """Return why the key of a certificate cannot be, or must not be, used so; empty: it may.

    A certificate that says nothing of it (RFC 5280 section 4.2.1.3) is not limited.
    """
    agrees = isinstance(certificate.public_key(), (x25519.X25519PublicKey, x448.X448PublicKey))
    signs = isinstance(certificate.public_key(), (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey))
    if signs if usage is Usage.ENCRYPTION else agrees:
        return f"its kind of key cannot be used for {usage}"
    try:
        allowed = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    fits = allowed.key_agreement if usage is Usage.ENCRYPTION else allowed.digital_signature
    return "" if fits else f"its key usage does not permit {usage}"
