"""`certs sign | verify-signature | encrypt | decrypt`: what certificates do for files."""

from __future__ import annotations

from pathlib import Path

import click

from dicom_common import certs as library
from dicom_common.certs._command_options import (
    FILE,
    crl,
    force,
    name,
    passphrase,
    trust,
    trusted,
    verdict,
)
from dicom_common.cli import as_json, below, print_line
from dicom_common.core import AuthenticationError, DamagedError, Secret

__all__ = ["CONTENT"]


@click.command(epilog=below({"Examples": ["dicom-common certs sign export.zip --certificate a.pem --key a.key"]}))
@click.argument("file", type=FILE)
@click.option("--certificate", type=FILE, required=True, metavar="FILE", help="Issued for the usage signing.")
@click.option("--key", type=FILE, required=True, metavar="FILE", help="Its private key.")
@click.option("--output", type=FILE, metavar="FILE", help="The signature; by default FILE.sig.")
@passphrase
@force
def sign(  # noqa: PLR0913 - the options of the command
    *, file: Path, certificate: Path, key: Path, output: Path | None, passphrase: Secret | None, force: bool
) -> None:
    """Sign a file. The signature is a file of its own."""
    secret = library.read_key(key, passphrase)
    signer = library.Issued(certificate=library.read_certificate(certificate), key=secret)
    with file.open("rb") as source:
        signature = library.sign(source, signer)
    target = output or _signature_of(file)
    library.write_new(target, signature, mode=0o644, force=force)
    print_line(str(target))


@click.command(
    "verify-signature",
    epilog=below(
        {
            "Examples": ["dicom-common certs verify-signature export.zip --trust ca/ca.pem --name a.example"],
            "With --json": ['{"good", "names", "reason"}'],
            "Exit codes": ["1  it is not good"],
        }
    ),
)
@click.argument("file", type=FILE)
@click.option("--signature", type=FILE, metavar="FILE", help="By default FILE.sig.")
@trust
@crl
@name
@as_json
def verify_signature(  # noqa: PLR0913 - the options of the command
    *, file: Path, signature: Path | None, trust: Path, crl: Path | None, name: str | None, as_json: bool
) -> int:
    """Verify that a file is what was signed, and tell who signed it. The certificate must be good now."""
    believed = trusted(trust, crl)
    content = (signature or _signature_of(file)).read_bytes()
    try:
        with file.open("rb") as source:
            signed = library.verify_signature(source, content, believed, name=name)
    except (AuthenticationError, DamagedError) as error:
        return verdict(good=False, names=[], text=str(error), as_json=as_json)
    return verdict(good=True, names=signed.names, text=f"signed at {signed.moment}, as it says", as_json=as_json)


@click.command(epilog=below({"Examples": ["dicom-common certs encrypt export.zip --to r.pem --trust ca/ca.pem"]}))
@click.argument("file", type=FILE)
@click.option("--to", type=FILE, required=True, metavar="FILE", help="Issued for the usage encryption.")
@trust
@crl
@click.option("--output", type=FILE, metavar="FILE", help="By default FILE.sealed.")
@force
def encrypt(  # noqa: PLR0913 - the options of the command
    *, file: Path, to: Path, trust: Path, crl: Path | None, output: Path | None, force: bool
) -> None:
    """Encrypt a file, which has to fit into memory, to a certificate. Who encrypted it is not proven: sign it, too."""
    believed = trusted(trust, crl)
    sealed = library.encrypt(file.read_bytes(), library.read_certificate(to), believed)
    target = output or file.with_name(f"{file.name}.sealed")
    library.write_new(target, sealed, mode=0o644, force=force)
    print_line(str(target))


@click.command(epilog=below({"Examples": ["dicom-common certs decrypt export.zip.sealed --key r.key --output e.zip"]}))
@click.argument("file", type=FILE)
@click.option("--key", type=FILE, required=True, metavar="FILE", help="The recipient's private key.")
@click.option("--output", type=FILE, required=True, metavar="FILE", help="Written with mode 0600.")
@passphrase
@force
def decrypt(*, file: Path, key: Path, output: Path, passphrase: Secret | None, force: bool) -> None:
    """Decrypt a file with the recipient's key. Nothing is written where anything of it was changed."""
    secret = library.read_key(key, passphrase)
    library.write_new(output, library.decrypt(file.read_bytes(), secret), mode=0o600, force=force)
    print_line(str(output))


def _signature_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.sig")


CONTENT = (sign, verify_signature, encrypt, decrypt)
