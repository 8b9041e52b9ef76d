"""Where key-encryption keys come from, what is wrong with them, and for whom they are."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dicom_common.core import BackendError, ConfigError, DamagedError, HealthStatus, RefusedError, Secret
from dicom_common.host import Services
from dicom_common.keyring.local import KeyEntry, LocalKeyring, Settings, open_keyring

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
RING = f'[[key]]\nid = "2026"\nkey = "{KEY}"\nactive = true\n'


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    file = tmp_path / "keyring.toml"
    file.write_text(RING)
    file.chmod(0o600)
    return file


def services(folder: Path, more: str = "") -> Services:
    (folder / "dicom-common.toml").write_text(f'data = "."\n[keyring]\nbackend = "local"\n{more}')
    return Services.from_file(folder / "dicom-common.toml")


def test_a_configuration_names_a_keyring_file(tmp_path: Path, ring: Path) -> None:
    with services(tmp_path, f'file = "{ring.name}"') as opened:
        assert opened.keyring.active("a") == "2026"
        health = opened.check()["keyring"]
        assert health.status is HealthStatus.OK
        assert health.facts == {"keys": 1, "active_keys": 1}
        assert health.detail.endswith(": 1 key.")
        assert KEY not in str(health)


def test_keys_of_the_configuration_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_KEY", KEY)
    keys = '[[keyring.keys]]\nid = "2027"\nkey = { env = "MADE_UP_KEY" }\nactive = true'
    with services(tmp_path, keys) as opened:
        assert opened.keyring.active("a") == "2027"
        assert KEY not in repr(opened.config.section("keyring", Settings))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null"), Path.mkdir])
def test_a_keyring_that_is_not_a_regular_file_is_refused_and_not_waited_for(
    tmp_path: Path, ring: Path, make: Callable[[Path], object]
) -> None:
    ring.unlink()
    make(ring)
    with services(tmp_path) as opened, pytest.raises(ConfigError, match=r"pipe or a device|Is a directory"):
        _ = opened.keyring


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_keyring_file_that_others_may_read_is_refused(tmp_path: Path, ring: Path, mode: int) -> None:
    ring.chmod(mode)
    with services(tmp_path) as opened, pytest.raises(ConfigError, match="chmod 600"):
        _ = opened.keyring


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key"),
        ("[[key]]\nid = 'x'\n", "an id and a key"),
        (RING + "password = 'x'\n", "an id and a key"),
        (RING + "[other]\n", "nothing else"),
        ("key = 3", "nothing else"),
        (RING.replace("true", "'true'"), "active has to be true or false"),
        (RING.replace("true", "false"), "no active key"),
        (RING + RING, "id of its own"),
        (RING.replace("2026", ""), "id of its own"),
        (RING.replace("2026", "two words"), "printable ASCII"),
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
        _ = opened.keyring
    assert KEY[:8] not in str(refused.value)


def test_a_keyring_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        services(tmp_path) as opened,
        pytest.raises(ConfigError, match=r"keyring\.toml is not there: put it there, with mode 0600"),
    ):
        _ = opened.keyring


def entry(key_id: str, key: str = KEY, *, tenant: str = "", active: bool = True) -> KeyEntry:
    return KeyEntry(id=key_id, key=Secret(key), tenant=tenant, active=active)


def test_a_tenant_without_a_key_is_refused() -> None:
    ring = LocalKeyring([entry("own", tenant="a")], "here")
    assert ring.active("a") == "own"
    with pytest.raises(RefusedError, match="no key is there for this tenant"):
        ring.active("b")


def test_a_tenant_with_a_key_of_its_own_is_not_opened_by_another() -> None:
    key = os.urandom(32)
    wrapped = LocalKeyring([entry("all"), entry("own", OTHER, tenant="a")], "here").wrap("a", key, b"c")
    assert wrapped.key_id == "own"
    for keys in ([entry("all")], [entry("all"), entry("own", OTHER, tenant="b")]):
        with pytest.raises(RefusedError, match="own"):
            LocalKeyring(keys, "here").unwrap("a", wrapped, b"c")


def test_another_key_under_the_same_id_is_told() -> None:
    wrapped = LocalKeyring([entry("2026")], "here").wrap("a", os.urandom(32), b"c")
    with pytest.raises(DamagedError, match="another key under that id"):
        LocalKeyring([entry("2026", OTHER)], "here").unwrap("a", wrapped, b"c")


def test_a_wrapped_key_is_aes_gcm_over_tenant_and_context() -> None:
    key = os.urandom(32)
    wrapped = LocalKeyring([entry("2026")], "here").wrap("clinic", key, b"for a test")
    bound = b"\0\0\0\x19dicom-common tenant key 1\0\0\0\x042026\0\0\0\x06clinic\0\0\0\x0afor a test"
    nonce, sealed = wrapped.data[:12], wrapped.data[12:]
    assert AESGCM(base64.b64decode(KEY)).decrypt(nonce, sealed, bound) == key


def test_a_closed_keyring_has_forgotten_its_keys() -> None:
    ring = LocalKeyring([entry("2026")], "here")
    ring.close()
    with pytest.raises(BackendError, match="closed"):
        ring.wrap("a", os.urandom(32), b"c")


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 5_000,
        "[[key]]\nid = " + "{a = " * 4_000,
        "key = [{ id = " + "9" * 5_000 + " }]",
        "\x00",
        "id = \ud800",
    ],
    ids=["lists", "tables", "digits", "NUL", "a lone surrogate"],
)
def test_a_keyring_file_that_nests_deep_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keyring.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        open_keyring(Settings(file=file))
