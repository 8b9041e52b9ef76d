"""Certificates for tests and small sites (RFC 5280): an authority, verification, signatures, encryption.

Made of `cryptography` only. What listens or connects takes the files by `dicom_common.core.tls`.
"""

from __future__ import annotations

from dicom_common.certs._authority import Authority, Issued, KeyType
from dicom_common.certs._files import (
    read_certificate,
    read_certificates,
    read_key,
    read_revocations,
    write_certificate,
    write_issued,
    write_new,
    write_revocations,
)
from dicom_common.certs._names import Usage, describe
from dicom_common.certs._sealing import decrypt, encrypt
from dicom_common.certs._signing import Signed, sign, verify_signature
from dicom_common.certs._verifying import Trust, verify

__all__ = [
    "Authority",
    "Issued",
    "KeyType",
    "Signed",
    "Trust",
    "Usage",
    "decrypt",
    "describe",
    "encrypt",
    "read_certificate",
    "read_certificates",
    "read_key",
    "read_revocations",
    "sign",
    "verify",
    "verify_signature",
    "write_certificate",
    "write_issued",
    "write_new",
    "write_revocations",
]
