"""Certificates and keys as PEM files. Keys are for their owner's eyes only, and nothing is overwritten by chance."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkstemp

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from dicom_common.certs._authority import Authority, Issued, PrivateKey
from dicom_common.core import AlreadyExistsError, ConfigError, NotFoundError, Secret

__all__ = [
    "read_certificate",
    "read_certificates",
    "read_key",
    "read_revocations",
    "write_certificate",
    "write_issued",
    "write_new",
    "write_revocations",
]


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Read all certificates of a PEM file.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it cannot be read, or has no certificate.
    """
    try:
        return x509.load_pem_x509_certificates(_content(file))
    except (ValueError, x509.InvalidVersion) as error:
        raise ConfigError(f"The file {file} has no certificate as PEM in it.") from error


def read_certificate(file: Path) -> x509.Certificate:
    """Read the first certificate of a PEM file; errors are those of `read_certificates`."""
    return read_certificates(file)[0]


def read_revocations(file: Path) -> x509.CertificateRevocationList:
    """Read a list of revoked certificates as PEM; errors are those of `read_certificates`."""
    try:
        return x509.load_pem_x509_crl(_content(file))
    except (ValueError, x509.InvalidVersion) as error:
        raise ConfigError(f"The file {file} has no list of revoked certificates as PEM in it.") from error


def read_key(file: Path, passphrase: Secret | None = None) -> PrivateKey:
    """Read a private key as PEM.

    Raises:
        NotFoundError: there is no such file.
        ConfigError: it cannot be read, its passphrase is missing or wrong, or it is neither EC nor RSA.
    """
    content = _content(file)
    given = None if passphrase is None else passphrase.reveal().encode()
    try:
        key = load_pem_private_key(content, given)
    except TypeError as error:
        what = "has no passphrase: give none" if passphrase else "has a passphrase: give it"
        raise ConfigError(f"The key in {file} {what}.") from error
    except UnsupportedAlgorithm as error:
        raise ConfigError(f"The key in {file} is of a kind, or encrypted in a way, that is not known here.") from error
    except ValueError as error:
        raise ConfigError(f"The file {file} has no private key as PEM in it, or its passphrase is another.") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise ConfigError(f"The key in {file} is neither EC nor RSA.")
    return key


def write_issued(
    issued: Issued | Authority, certificate: Path, key: Path, *, passphrase: Secret | None = None, force: bool = False
) -> None:
    """Write a certificate and its key. The key's file has mode 0600.

    Args:
        issued: the pair.
        certificate: the file of the certificate.
        key: the file of the key.
        passphrase: encrypts the key. Servers start without a person who could type it: theirs have none.
        force: replace files that are there.

    Raises:
        AlreadyExistsError: one of the files is there; nothing was written.
        ConfigError: the passphrase is empty.
    """
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        if not passphrase.reveal():
            raise ConfigError("The passphrase is empty: give one, or none.")
        encryption = BestAvailableEncryption(passphrase.reveal().encode())
    if not force:
        for file in (key, certificate):
            if os.path.lexists(file):
                raise _is_there(file)
    secret = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    write_new(key, secret, mode=0o600, force=force)
    write_certificate(issued.certificate, certificate, force=force)


def write_certificate(certificate: x509.Certificate, file: Path, *, force: bool = False) -> None:
    """Write a certificate as PEM; errors are those of `write_new`."""
    write_new(file, certificate.public_bytes(Encoding.PEM), mode=0o644, force=force)


def write_revocations(revocations: x509.CertificateRevocationList, file: Path) -> None:
    """Write a list of revoked certificates as PEM in the place of the former one."""
    write_new(file, revocations.public_bytes(Encoding.PEM), mode=0o644, force=True)


def write_new(file: Path, content: bytes, *, mode: int, force: bool = False) -> None:
    """Write a file, whole or not at all, and durably. It never has more permissions than `mode`.

    Raises:
        AlreadyExistsError: it is there, and `force` is not given.
        NotFoundError: its folder is not there.
        ConfigError: it cannot be written.
    """
    try:
        descriptor, name = mkstemp(dir=file.parent, prefix=".")
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no folder {file.parent}: make it first.") from error
    except OSError as error:  # it names the temporary file, which the caller does not know
        raise _not_written(file, error) from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if force:
            Path(name).replace(file)
        else:
            os.link(name, file)  # unlike a rename, this refuses a file that came meanwhile
    except FileExistsError as error:
        raise _is_there(file) from error
    except OSError as error:
        raise _not_written(file, error) from error
    finally:
        Path(name).unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_there(file: Path) -> AlreadyExistsError:
    return AlreadyExistsError(f"The file {file} is there already: name another, or force it to be replaced.")


def _not_written(file: Path, error: OSError) -> ConfigError:
    return ConfigError(f"The file {file} cannot be written: {error.strerror}; see to its folder.")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {file}.") from error
    except OSError as error:
        raise ConfigError(f"The file {file} cannot be read: {error.strerror}.") from error
