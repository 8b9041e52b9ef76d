"""`keys`: what an operator does with the keys of an installation that encrypts."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from dicom_common.testing import CommandAnswer, run_command

Command = Callable[..., CommandAnswer]
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
CONFIG = """
data = "data"
[storage]
backend = "encrypted"
storage = "plain"
[storages.plain]
backend = "filesystem"
[keyring]
backend = "local"
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command as it is typed in an empty folder."""
    return lambda *arguments, **options: run_command(*arguments, cwd=tmp_path, **options)


def _ring(folder: Path, *ids: str, active: str) -> None:
    file = folder / "data" / "keyring.toml"
    file.parent.mkdir(exist_ok=True)
    file.touch(0o600)
    keys = {key_id: base64.b64encode(key_id.encode() * 32).decode() for key_id in ids}
    file.write_text(
        "".join(
            f'[[key]]\nid = "{key_id}"\nkey = "{key}"\nactive = {str(key_id == active).lower()}\n'
            for key_id, key in keys.items()
        )
    )


@pytest.fixture
def site(command: Command, tmp_path: Path) -> Command:
    """The command of an installation that encrypts, with an instance of each of two tenants."""
    (tmp_path / "dicom-common.toml").write_text(CONFIG)
    _ring(tmp_path, "1", active="1")
    for tenant in ("clinic-a", "clinic-b"):
        assert command("--tenant", tenant, "ingest", SAMPLES / "CT_small.dcm").code == 0
    return command


def _wrapped_by(answer: CommandAnswer) -> dict[str, str]:
    assert answer.code == 0, answer
    return {line["tenant"]: line["key_id"] for line in answer.lines}


def test_keys_are_rotated_and_the_old_one_is_not_needed_any_more(site: Command, tmp_path: Path) -> None:
    objects = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.dcm")}
    assert len(objects) == 2
    assert _wrapped_by(site("keys", "list", "--json")) == {"clinic-a": "1", "clinic-b": "1"}
    _ring(tmp_path, "1", "2", active="2")
    assert _wrapped_by(site("keys", "rotate", "--tenant", "clinic-a", "--json")) == {"clinic-a": "2"}
    assert site("keys", "rotate").out == "1 key wrapped anew or made\n"
    _ring(tmp_path, "2", active="2")
    assert _wrapped_by(site("keys", "list", "--json")) == {"clinic-a": "2", "clinic-b": "2"}
    assert {path: path.read_bytes() for path in objects} == objects
    answer = site("reconcile", "--json")
    assert (answer.code, answer.lines[-1]["differences"]) == (0, {})


def test_the_keys_of_a_tenant_are_destroyed_only_when_that_is_meant(site: Command) -> None:
    site("keys", "destroy", "--tenant", "clinic-b").fails_with_one_line("--yes")
    assert site("keys", "destroy", "--tenant", "clinic-b", "--yes", "--json").lines == [
        {"tenant": "clinic-b", "destroyed": 1}
    ]
    shown = site("keys", "list")
    assert "clinic-a" in shown.out
    assert "(destroyed)" in shown.out
    site("keys", "destroy", "--tenant", "clinic-c", "--yes").fails_with_one_line("clinic-c")


def test_a_tenant_whose_keys_were_destroyed_stops_no_reconciliation(site: Command) -> None:
    assert site("keys", "destroy", "--tenant", "clinic-b", "--yes").code == 0
    answer = site("reconcile", "--json")
    assert answer.code == 1, answer
    assert [(line["kind"], line["key"].partition("/")[0]) for line in answer.lines[:-1]] == [("damaged", "clinic-b")]
    [study] = site("--tenant", "clinic-b", "find", "--json").lines
    assert site("--tenant", "clinic-b", "remove", study["StudyInstanceUID"], "--yes").code == 0
    assert site("reconcile").code == 0
    assert len(site("--tenant", "clinic-a", "find", "--json").lines) == 1


def test_a_keyring_that_lacks_a_key_does_not_make_objects_look_damaged(site: Command, tmp_path: Path) -> None:
    _ring(tmp_path, "2", active="2")
    site("reconcile").fails_with_one_line("'1'", "put it back")


def test_a_storage_that_does_not_encrypt_has_no_keys(site: Command) -> None:
    site("keys", "list", "--storage", "storages.plain").fails_with_one_line("does not encrypt")
    site("keys", "list", "--storage", "nowhere").fails_with_one_line("nowhere")


@pytest.mark.parametrize("pair", [("storage", "plain"), ("plain", "storage")])
def test_no_copy_between_a_storage_and_the_one_that_holds_its_encrypted_objects(
    site: Command, pair: tuple[str, str]
) -> None:
    site("copy", "--from", pair[0], "--to", pair[1]).fails_with_one_line("in its own form")
