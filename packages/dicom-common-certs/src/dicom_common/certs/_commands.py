"""`certs`: certificates of a small site. Needs no configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dicom_common import certs as library
from dicom_common.certs._command_options import (
    FILE,
    USAGES,
    crl,
    force,
    name,
    passphrase,
    trust,
    trusted,
    verdict,
)
from dicom_common.certs._content_commands import CONTENT
from dicom_common.cli import as_json, below, print_json, print_line, print_table
from dicom_common.core import AuthenticationError, Secret, hookimpl
from dicom_common.toolkit import make_private_folder

__all__ = ["certs", "dicom_common_commands"]


_KEY_TYPES = ("ec-p256", "rsa-3072")
_folder = click.option(
    "--ca", "folder", type=FILE, required=True, metavar="DIR", help="The authority's folder: ca.pem, ca.key, crl.pem."
)
_key_type = click.option(
    "--key-type", type=click.Choice(_KEY_TYPES), default="ec-p256", show_default=True, help="The kind of the key."
)


@click.group(
    epilog=below(
        {
            "Examples": [
                'dicom-common certs init-ca "Hospital images" --ca ca',
                "dicom-common certs issue db.hospital.example --usage server --ca ca",
                "dicom-common certs issue worker-1.hospital.example --usage client --ca ca",
                "dicom-common certs verify worker-1.hospital.example.pem --usage client --trust ca/ca.pem",
                "dicom-common certs renew db.hospital.example.pem --ca ca --force",
            ],
            "Exit codes": [
                "0  done; what was verified is good",
                "1  a certificate or a signature is not good",
                "2  the command failed",
            ],
        }
    )
)
def certs() -> None:
    """Issue, verify and use certificates."""


for _command in CONTENT:
    certs.add_command(_command)


@certs.command(
    "init-ca",
    epilog=below(
        {
            "Examples": ['dicom-common certs init-ca "Hospital images" --ca ca --domain hospital.example'],
            "With --json": ["what `certs show --json` prints of it"],
        }
    ),
)
@click.argument("name")
@_folder
@click.option("--domain", "domains", multiple=True, metavar="D", help="Only names in this domain; may be repeated.")
@click.option("--days", default=3650, show_default=True, help="How long it is valid, at most 3650.")
@_key_type
@passphrase
@force
@as_json
def init_ca(  # noqa: PLR0913 - the options of the command
    *,
    name: str,
    folder: Path,
    domains: tuple[str, ...],
    days: int,
    key_type: str,
    passphrase: Secret | None,
    force: bool,
    as_json: bool,
) -> None:
    """Make an authority: its certificate ca.pem, and its key ca.key with mode 0600."""
    kind = library.KeyType(key_type)
    authority = library.Authority.create(name, permitted_dns=domains, key_type=kind, days=days)
    make_private_folder(folder)
    library.write_issued(authority, folder / "ca.pem", folder / "ca.key", passphrase=passphrase, force=force)
    _print_certificate(folder / "ca.pem", authority.certificate, as_json=as_json)


@certs.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common certs issue db.hospital.example 10.1.2.3 --usage server --ca ca",
                "dicom-common certs issue worker-1.hospital.example --usage client --ca ca --output /etc/dicom-common",
            ],
            "With --json": ["what `certs show --json` prints of it"],
        }
    )
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--usage", type=click.Choice(USAGES), required=True, help="What it is for.")
@_folder
@click.option("--output", type=FILE, default=Path(), metavar="DIR", help="Where NAME.pem and NAME.key are written.")
@click.option("--days", default=398, show_default=True, help="How long it is valid, at most 398.")
@_key_type
@passphrase
@force
@as_json
def issue(  # noqa: PLR0913 - the options of the command
    *,
    names: tuple[str, ...],
    usage: str,
    folder: Path,
    output: Path,
    days: int,
    key_type: str,
    passphrase: Secret | None,
    force: bool,
    as_json: bool,
) -> None:
    """Issue a certificate for DNS names, IP addresses or e-mail addresses, with a new key.

    The files are named after the first name. The passphrase is that of the authority's key; the new key has none.
    """
    authority = _authority(folder, passphrase)
    kind = library.KeyType(key_type)
    issued = authority.issue(names, library.Usage(usage), key_type=kind, days=days)
    file = output / (names[0].replace("*", "_").replace(":", "-") + ".pem")
    library.write_issued(issued, file, file.with_name(f"{file.stem}.key"), force=force)
    _print_certificate(file, issued.certificate, as_json=as_json)


@certs.command(
    epilog=below(
        {
            "Examples": ["dicom-common certs renew db.hospital.example.pem --ca ca --force"],
            "With --json": ["what `certs show --json` prints of the new one"],
        }
    )
)
@click.argument("certificate", type=FILE)
@_folder
@click.option("--output", type=FILE, metavar="DIR", help="Where to write; by default where the certificate is.")
@passphrase
@force
@as_json
def renew(  # noqa: PLR0913 - the options of the command
    *, certificate: Path, folder: Path, output: Path | None, passphrase: Secret | None, force: bool, as_json: bool
) -> None:
    """Issue a certificate again, with a new key: the same names, usage and length.

    The old one stays good until it expires or is revoked. In its place the new files are written with --force only.
    """
    authority = _authority(folder, passphrase)
    issued = authority.renew(library.read_certificate(certificate))
    file = (output or certificate.parent) / certificate.name
    library.write_issued(issued, file, file.with_name(f"{file.stem}.key"), force=force)
    _print_certificate(file, issued.certificate, as_json=as_json)


@certs.command(
    epilog=below(
        {
            "Examples": ["dicom-common certs revoke worker-1.hospital.example.pem --ca ca"],
            "With --json": ['{"file", "revoked", "next_update"}'],
        }
    )
)
@click.argument("certificates", nargs=-1, type=FILE, metavar="[CERTIFICATE]...")
@_folder
@click.option("--days", default=30, show_default=True, help="How long the list may be used.")
@passphrase
@as_json
def revoke(
    *, certificates: tuple[Path, ...], folder: Path, days: int, passphrase: Secret | None, as_json: bool
) -> None:
    """Write the next list of revoked certificates, crl.pem, in the authority's folder.

    Without a certificate the list is only made to last longer: once the list has expired, servers refuse every client.
    """
    file = folder / "crl.pem"
    authority = _authority(folder, passphrase)
    before = library.read_revocations(file) if os.path.lexists(file) else None
    revoked = [library.read_certificate(certificate) for certificate in certificates]
    revocations = authority.revoke(revoked, before=before, days=days)
    library.write_revocations(revocations, file)
    if as_json:
        print_json({"file": file, "revoked": len(revocations), "next_update": revocations.next_update_utc})
    else:
        print_line(f"{file}: {len(revocations)} revoked; to be renewed before {revocations.next_update_utc}")


@certs.command(
    epilog=below(
        {
            "Examples": ["dicom-common certs verify worker-1.hospital.example.pem --usage client --trust ca/ca.pem"],
            "With --json": ['{"good", "names", "reason"}'],
            "Exit codes": ["1  it is not good"],
        }
    )
)
@click.argument("certificate", type=FILE)
@click.option("--usage", type=click.Choice(USAGES), required=True, help="What it is to be used for.")
@trust
@crl
@name
@as_json
def verify(  # noqa: PLR0913 - the options of the command
    *, certificate: Path, usage: str, trust: Path, crl: Path | None, name: str | None, as_json: bool
) -> int:
    """Verify a certificate: its chain, dates, usage, name, and that it is not revoked."""
    chain = library.read_certificates(certificate)
    believed = trusted(trust, crl, chain[1:])
    try:
        names = library.verify(chain[0], believed, library.Usage(usage), name=name)
    except AuthenticationError as error:
        return verdict(good=False, names=[], text=str(error), as_json=as_json)
    return verdict(good=True, names=names, text=f"good for the usage {usage}", as_json=as_json)


@certs.command(
    epilog=below(
        {
            "Examples": ["dicom-common certs show ca/ca.pem worker-1.hospital.example.pem"],
            "With --json, one line a certificate": [
                '{"file", "subject", "names", "usage", "authority", "issuer",',
                ' "not_before", "not_after", "serial", "sha256"}',
            ],
        }
    )
)
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="CERTIFICATE...")
@as_json
def show(*, files: tuple[Path, ...], as_json: bool) -> None:
    """Show what certificates are for and when they expire. Verifies nothing."""
    found = [(file, certificate) for file in files for certificate in library.read_certificates(file)]
    _print_certificates(found, as_json=as_json)


def _authority(folder: Path, secret: Secret | None) -> Any:
    certificate, key = library.read_certificate(folder / "ca.pem"), library.read_key(folder / "ca.key", secret)
    return library.Authority(certificate=certificate, key=key)


def _print_certificate(file: Path, certificate: Any, *, as_json: bool) -> None:
    _print_certificates([(file, certificate)], as_json=as_json)


def _print_certificates(found: list[tuple[Path, Any]], *, as_json: bool) -> None:
    described = [(file, library.describe(certificate)) for file, certificate in found]
    if as_json:
        for file, facts in described:
            print_json({"file": file, **facts})
        return
    rows = [_row(file, facts) for file, facts in described]
    print_table(["file", "usage", "names", "expires", "serial"], rows, whole=["file", "names", "serial"])


def _row(file: Path, facts: Any) -> tuple[object, ...]:
    kind = "authority" if facts["authority"] else facts["usage"] or "other"
    return str(file), kind, ", ".join(facts["names"]) or facts["subject"], facts["not_after"].date(), facts["serial"]


@hookimpl
def dicom_common_commands() -> Sequence[click.Command]:
    """Offer the command."""
    return (certs,)
