"""Where key-encryption keys come from, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sealed_folder import content, entry

from dicom_common.core import (
    BrokenPluginError,
    ConfigError,
    Health,
    HealthStatus,
    PluginNotFoundError,
    RefusedError,
    Secret,
    Services,
)
from dicom_common.storage.encrypted import KeyEntry, LocalKeyring, Settings, WrappedKey

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
RING = f'[[key]]\nid = "2026"\nkey = "{KEY}"\nactive = true\n'
CONFIG = """
data = "."
[storage]
backend = "encrypted"
storage = "plain"
{more}
[storages.plain]
backend = "filesystem"
"""
PLUGIN = """
from dicom_common.storage.encrypted import KeyEntry, LocalKeyring
from dicom_common.core import Secret

def open_kms(options):
    if options.get("broken"):
        raise KeyError("AAECAwQFBgcICQoL")
    return LocalKeyring([KeyEntry(id=options["name"], key=Secret("%s"), active=True)], "kms")
"""


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    file = tmp_path / "keyring.toml"
    file.write_text(RING)
    file.chmod(0o600)
    return file


def services(folder: Path, more: str = "") -> Services:
    (folder / "dicom-common.toml").write_text(CONFIG.format(more=more))
    return Services.from_file(folder / "dicom-common.toml")


def test_a_configuration_names_the_wrapped_storage_and_a_keyring_file(tmp_path: Path, ring: Path) -> None:
    assert ring.is_file()
    with services(tmp_path) as opened:
        opened.storage.write("a/1", b"not to be seen")
        assert content(opened.storage, "a/1") == b"not to be seen"
        sealed = content(opened.storage_named("plain"), "a/1")
        assert b"not to be seen" not in sealed
        health = {name: answer for name, answer in opened.check(storages=True).items() if name.startswith("storage")}
        assert len(health) == 2
        assert {answer.status for answer in health.values()} <= {HealthStatus.OK, HealthStatus.DEGRADED}
        assert KEY not in str(health)


def test_keys_of_the_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    keys = '[[storage.keys]]\nid = "2026"\nkey = { env = "MADE_UP_KEY" }\nactive = true'
    with services(tmp_path, f'keyring = "settings"\n{keys}') as opened:
        opened.storage.write("a/1", b"x")
        assert content(opened.storage, "a/1") == b"x"
        assert KEY not in repr(opened.config.section("storage", Settings))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_keyring_file_that_others_may_read_is_refused(tmp_path: Path, ring: Path, mode: int) -> None:
    ring.chmod(mode)
    with services(tmp_path) as opened, pytest.raises(ConfigError, match="chmod 600"):
        _ = opened.storage


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key"),
        ("[[key]]\nid = 'x'\n", "an id and a key"),
        (RING + "password = 'x'\n", "an id and a key"),
        (RING + "[other]\n", "nothing else"),
        ("key = 3", "nothing else"),
        (RING.replace("true", "'true'"), "active has to be a bool"),
        (RING.replace("true", "false"), "no active key"),
        (RING + RING, "id of its own"),
        (RING + RING.replace("2026", "2027"), "two active"),
        (RING + RING.replace("2026", "2027").replace("true", "false\ntenant = 'a'"), "'a' has no active"),
        (RING.replace(KEY, KEY[:-4]), "32 bytes"),
        (RING.replace(KEY, "not base64!"), "32 bytes"),
        ("[[key\n", "not valid TOML"),
    ],
)
def test_a_keyring_file_that_is_wrong_says_what_is(tmp_path: Path, ring: Path, text: str, words: str) -> None:
    ring.write_text(text)
    with services(tmp_path) as opened, pytest.raises(ConfigError, match=words) as refused:
        _ = opened.storage
    assert KEY[:8] not in str(refused.value)


def test_a_keyring_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with services(tmp_path) as opened, pytest.raises(ConfigError, match=r"keyring\.toml cannot be read"):
        _ = opened.storage


def test_keys_and_the_kind_of_keyring_belong_together() -> None:
    with pytest.raises(ConfigError, match="settings"):
        Settings(storage="plain", keys=(entry("first", active=True),))
    with pytest.raises(ConfigError, match="settings"):
        Settings(storage="plain", keyring="settings")


def test_a_tenant_without_a_key_is_refused() -> None:
    ring = LocalKeyring([entry("own", tenant="a", active=True)], "here")
    assert ring.active("a") == "own"
    with pytest.raises(RefusedError, match="no key is there for this tenant"):
        ring.active("b")


def test_a_wrapped_key_shows_nothing_in_its_representation() -> None:
    made = LocalKeyring([KeyEntry(id="x", key=Secret(KEY), active=True)], "here").wrap("a", os.urandom(32), b"")
    assert repr(made) == "WrappedKey(key_id='x')"
    assert isinstance(made, WrappedKey)


@pytest.fixture
def kms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution that offers the keyring `acme`."""
    site = tmp_path / "site"
    metadata = site / "acme_kms-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "acme_kms.py").write_text(PLUGIN % KEY)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-kms\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dicom_common.keyring]\nacme = acme_kms:open_kms\n")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("kms")
def test_a_plugin_can_be_the_keyring(tmp_path: Path) -> None:
    with services(tmp_path, 'keyring = "acme"\nkeyring_options = { name = "remote" }') as opened:
        opened.storage.write("a/1", b"x")
        storage = opened.storage
        assert [key.key_id for key in storage.tenant_keys()] == ["remote"]  # type: ignore[attr-defined]  # EncryptionKeys
        assert isinstance(storage.check(), Health)


@pytest.mark.usefixtures("kms")
def test_a_plugin_that_fails_or_is_missing_is_told_without_its_message(tmp_path: Path) -> None:
    with (
        services(tmp_path, 'keyring = "acme"\nkeyring_options = { broken = "yes" }') as opened,
        pytest.raises(BrokenPluginError, match=r"acme.*KeyError") as refused,
    ):
        _ = opened.storage
    assert "AAEC" not in str(refused.value)
    with services(tmp_path, 'keyring = "acne"') as opened, pytest.raises(PluginNotFoundError, match="acme"):
        _ = opened.storage
