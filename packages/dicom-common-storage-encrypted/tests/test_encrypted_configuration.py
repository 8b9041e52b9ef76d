"""The encrypted storage as a configuration makes it, with a keyring of ours and one of somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from sealed_folder import content

from dicom_common.core import ConfigError, EncryptionKeys, HealthStatus
from dicom_common.host import Services
from dicom_common.storage.encrypted import Settings

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
CONFIG = """
data = "."
[storage]
backend = "encrypted"
storage = "plain"
{more}
[storages.plain]
backend = "filesystem"
{keyring}
"""
LOCAL = '[keyring]\nbackend = "local"'
PLUGIN = """
from dataclasses import dataclass
from dicom_common.core import Backend, Secret, hookimpl
from dicom_common.keyring.local import KeyEntry, LocalKeyring

@dataclass(frozen=True, kw_only=True)
class Settings:
    name: str

@hookimpl
def dicom_common_keyring():
    open_it = lambda settings: LocalKeyring([KeyEntry(id=settings.name, key=Secret("%s"), active=True)], "kms")
    return Backend("acme", Settings, open_it)
"""


def services(folder: Path, keyring: str = LOCAL, more: str = "") -> Services:
    (folder / "dicom-common.toml").write_text(CONFIG.format(more=more, keyring=keyring))
    return Services.from_file(folder / "dicom-common.toml")


def test_a_configuration_names_the_wrapped_storage_and_the_keyring(tmp_path: Path) -> None:
    ring = tmp_path / "keyring.toml"
    ring.touch(0o600)
    ring.write_text(f'[[key]]\nid = "2026"\nkey = "{KEY}"\nactive = true\n')
    with services(tmp_path) as opened:
        opened.storage.write("a/1", b"not to be seen")
        assert content(opened.storage, "a/1") == b"not to be seen"
        sealed = content(opened.storage_named("plain"), "a/1")
        assert b"not to be seen" not in sealed
        asked = ("storage", "storages.plain", "keyring")
        health = {name: answer for name, answer in opened.check(storages=True).items() if name in asked}
        assert len(health) == 3
        assert {answer.status for answer in health.values()} <= {HealthStatus.OK, HealthStatus.DEGRADED}
        assert KEY not in str(health)


def test_without_a_keyring_it_is_told_which_table_is_missing(tmp_path: Path) -> None:
    with services(tmp_path, "") as opened, pytest.raises(ConfigError, match=r"below \[keyring\]"):
        _ = opened.storage


def test_what_the_keyring_misses_is_told_by_the_storage(tmp_path: Path) -> None:
    with services(tmp_path) as opened, pytest.raises(ConfigError, match=r"keyring\.toml is not there"):
        _ = opened.storage


def test_a_plugin_of_somebody_else_can_be_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    metadata = site / "acme_kms-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_kms.py").write_text(PLUGIN % KEY)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-kms\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dicom_common.keyring]\nacme = acme_kms\n")
    monkeypatch.syspath_prepend(str(site))
    with services(tmp_path, '[keyring]\nbackend = "acme"\nname = "remote"') as opened:
        opened.storage.write("a/1", b"x")
        storage = opened.storage
        assert isinstance(storage, EncryptionKeys)
        assert [key.key_id for key in storage.tenant_keys()] == ["remote"]


def test_a_tenant_of_two_segments_is_refused() -> None:
    with pytest.raises(ConfigError, match="tenant"):
        Settings(storage="plain", tenant="a/b")
