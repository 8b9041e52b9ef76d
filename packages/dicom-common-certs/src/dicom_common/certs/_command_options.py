"""What the commands of `certs` share: options, and how a verdict is printed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from dicom_common import certs
from dicom_common.cli import CommandError, ExitCode, print_json, print_line
from dicom_common.core import Secret

__all__ = ["FILE", "USAGES", "crl", "force", "name", "passphrase", "trust", "trusted", "verdict"]

USAGES = ("server", "client", "signing", "encryption")
FILE = click.Path(path_type=Path)
trust = click.option("--trust", type=FILE, required=True, metavar="FILE", help="Authorities that are trusted (PEM).")
crl = click.option("--crl", type=FILE, metavar="FILE", help="The authority's list of revoked certificates (PEM).")
name = click.option("--name", metavar="NAME", help="The name that must be in the certificate.")
force = click.option("--force", is_flag=True, help="Replace files that are there.")


def passphrase(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that tell where a key's passphrase is; the command gets it as `passphrase`."""

    @wraps(command)
    def with_passphrase(*, passphrase_env: str | None, passphrase_file: Path | None, **others: Any) -> Any:
        return command(passphrase=_passphrase(passphrase_env, passphrase_file), **others)

    variable = click.option("--passphrase-env", metavar="NAME", help="The variable with the key's passphrase.")
    return variable(
        click.option("--passphrase-file", type=FILE, metavar="FILE", help="The file with it.")(with_passphrase)
    )


def trusted(trust: Path, crl: Path | None, intermediates: Any = ()) -> Any:
    """Read who is trusted."""
    revocations = certs.read_revocations(crl) if crl else None
    authorities = certs.read_certificates(trust)
    return certs.Trust(authorities=authorities, revocations=revocations, intermediates=intermediates)


def _passphrase(variable: str | None, file: Path | None) -> Secret | None:
    if variable is not None and file is not None:
        raise CommandError("The passphrase comes from one place: give --passphrase-env or --passphrase-file.")
    if variable is not None:
        if not os.environ.get(variable):
            raise CommandError(f"The variable {variable} of --passphrase-env is not set, or empty.")
        return Secret(os.environ[variable])
    if file is not None:
        return _passphrase_in(file)
    return None


def _passphrase_in(file: Path) -> Secret:
    try:
        text = file.read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError as error:
        raise CommandError(f"There is no file {file} of --passphrase-file: make it, with mode 0600.") from error
    except OSError as error:
        raise CommandError(f"The file {file} of --passphrase-file cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        # Its message, and so the traceback of --verbose, would show a part of the passphrase.
        raise CommandError(f"The file {file} of --passphrase-file has to be text in UTF-8.") from None
    if not text:
        raise CommandError(f"The file {file} of --passphrase-file is empty: write the passphrase into it.")
    return Secret(text)


def verdict(*, good: bool, names: Any, text: str, as_json: bool) -> int:
    """Print whether something is good, and return the exit code."""
    if as_json:
        print_json({"good": good, "names": list(names), "reason": "" if good else text})
    elif good:
        print_line(f"{', '.join(names)}: {text}")
    else:
        print_line(f"not good: {text}")
    return ExitCode.OK if good else ExitCode.DIFFERENT
