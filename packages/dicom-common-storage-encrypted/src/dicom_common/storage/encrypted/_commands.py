"""`keys`: the keys of a storage that encrypts."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from dicom_common.cli import (
    CommandError,
    ExitCode,
    Session,
    as_json,
    below,
    note,
    pass_session,
    print_json,
    print_line,
    print_table,
    progress,
    stopping_on_signals,
)
from dicom_common.core import AuditKind, EncryptionKeys, Storage, hookimpl, validate_tenant

__all__ = ["dicom_common_commands", "keys"]

_storage = click.option(
    "--storage", "name", default="storage", metavar="NAME", help="`storage`, or NAME of [storages.NAME]."
)
_tenant = click.option("--tenant", metavar="T", help="Whose keys; by default those of all tenants.")


@click.group(
    epilog=below(
        {
            "Examples": [
                "dicom-common keys list",
                "dicom-common keys rotate   (after another key was made active in the keyring)",
                "dicom-common keys destroy --tenant clinic-b",
            ],
        }
    )
)
def keys() -> None:
    """List, rotate and destroy encryption keys."""


@keys.command(
    "list",
    epilog=below(
        {
            "Examples": ["dicom-common keys list", "dicom-common keys list --json | jq -r .key_id | sort -u"],
            "With --json, one line a key": [
                '{"tenant", "generation", "key_id", "created", "destroyed"}',
            ],
        }
    ),
)
@_storage
@_tenant
@as_json
@pass_session
def list_keys(session: Session, *, name: str, tenant: str | None, as_json: bool) -> None:
    """List the keys of tenants, and the key-encryption key that wraps each. Shows no key."""
    found = _encrypting(session, name).tenant_keys(_whose(session, tenant))
    if as_json:
        for key in found:
            print_json(key)
        return
    rows = [
        (key.tenant, key.generation or "", "(destroyed)" if key.destroyed else key.key_id, key.created.isoformat())
        for key in found
    ]
    print_table(["tenant", "generation", "wrapped by", "created"], rows, whole=["tenant", "wrapped by"])


@keys.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common keys rotate",
                "dicom-common keys rotate --tenant clinic-b --new-generation",
            ],
            "With --json, one line a key that was wrapped anew or made": [
                '{"tenant", "generation", "key_id", "created", "destroyed"}',
            ],
            "Exit codes": ["130  interrupted; repeat the command to resume"],
        }
    )
)
@_storage
@_tenant
@click.option("--new-generation", is_flag=True, help="Also make a new key for each tenant, for objects to come.")
@as_json
@pass_session
def rotate(session: Session, *, name: str, tenant: str | None, new_generation: bool, as_json: bool) -> int:
    """Wrap the keys of tenants with the key-encryption key that is active now.

    No object is read or written. What is wrapped so already is passed over: an interrupted rotation is continued by the
    same command. Afterwards `keys list` shows which key-encryption keys are still needed.
    """
    storage, whose = _encrypting(session, name), _whose(session, tenant)
    number = 0
    told = {"command": "keys rotate", "storage": name, "new_generation": new_generation}
    with (
        session.auditing(AuditKind.SECURITY_CHANGED, whose, **told) as deed,
        stopping_on_signals("Stopping after this key; repeat the command to resume.") as stop,
    ):
        with progress("rotating") as bar:
            for key in storage.rotate_keys(whose, new_generation=new_generation):
                number += 1
                bar.advance()
                if as_json:
                    print_json(key)
                if stop.is_set():
                    break
        deed.details["keys"] = str(number)
        if stop.is_set():
            deed.fail("interrupted")
        if not as_json:
            print_line(f"{number} {'key' if number == 1 else 'keys'} wrapped anew or made")
        return ExitCode.INTERRUPTED if stop.is_set() else ExitCode.OK


@keys.command(epilog=below({"Examples": ["dicom-common keys destroy --tenant clinic-b"]}))
@_storage
@click.option("--tenant", required=True, metavar="T", help="Whose keys.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@pass_session
def destroy(session: Session, *, name: str, tenant: str, yes: bool, as_json: bool) -> int:
    """Destroy the keys of a tenant permanently: its objects can no longer be read.

    Asks before it does on a terminal; elsewhere it needs --yes. Can be repeated. Other processes forget the keys within
    `key_seconds`, a setting of the storage. Copies of the keys in backups end with the tenant's key-encryption key.
    """
    storage = _encrypting(session, name)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError("Not a terminal: pass --yes to destroy the keys permanently.")
        if click.prompt("All objects of this tenant will be lost. Its name, to confirm", err=True) != tenant:
            note("Nothing was destroyed.")
            return ExitCode.DIFFERENT
    whose = validate_tenant(tenant)
    with session.auditing(AuditKind.SECURITY_CHANGED, whose, command="keys destroy", storage=name) as deed:
        deed.begin()
        number = storage.destroy_keys(whose)
        deed.details["keys"] = str(number)
    if as_json:
        print_json({"tenant": tenant, "destroyed": number})
    else:
        print_line(f"{number} {'key' if number == 1 else 'keys'} of {tenant} destroyed")
        note("Remove the tenant's own key-encryption key from the keyring, too: it opens copies in backups.")
    return ExitCode.OK


def _encrypting(session: Session, name: str) -> EncryptionKeys:
    storage: Storage = session.existing.storage_named(name.removeprefix("storages."))
    if not isinstance(storage, EncryptionKeys):
        raise CommandError(f"The storage {name!r} does not encrypt: name one that does with --storage.")
    return storage


def _whose(session: Session, tenant: str | None) -> str | None:
    chosen = tenant or session.tenant_name
    return None if chosen is None else validate_tenant(chosen)


@hookimpl
def dicom_common_commands() -> Sequence[click.Command]:
    """Offer the command."""
    return (keys,)
