"""Encrypted fields: what can be read by whom, and what happens to values that were changed."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dicom_common.core import BackendError, DamagedError, RefusedError, Secret, WrappedKey
from dicom_common.crypto import FieldCipher, _data_keys
from dicom_common.keyring.local import KeyEntry, LocalKeyring

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))
FIELD = "patient.phone"
KNOWN = (
    "f1.MjAyNg.YLZxTyBOnmo-1FtBo4zp3fuQm68VFUMLn3HwEtta5iHtIbsNVWgcNVcL-5YJqpxCmezy99bbttZh5Qdk."
    "0xccWgqsZIrXN0xdpeWoAyP2aCWuPxXRVjyyAEaiAIw31KUhPIzb_A"
)
"""The text `known answer` of tenant `a`, as the first version wrote it: values must be read for ever."""


def entry(key_id: str, key: bytes, *, tenant: str = "", active: bool = True) -> KeyEntry:
    return KeyEntry(id=key_id, key=Secret(base64.b64encode(key).decode()), tenant=tenant, active=active)


class Counting(LocalKeyring):
    """The real keyring, which counts what it is asked."""

    wrapped = unwrapped = 0

    def wrap(self, tenant: str, key: bytes, context: bytes) -> WrappedKey:
        self.wrapped += 1
        return super().wrap(tenant, key, context)

    def unwrap(self, tenant: str, wrapped: WrappedKey, context: bytes) -> bytes:
        self.unwrapped += 1
        return super().unwrap(tenant, wrapped, context)


@pytest.fixture
def keyring() -> Counting:
    return Counting([entry("2026", FIRST)], "here")


@pytest.fixture
def cipher(keyring: Counting) -> FieldCipher:
    return FieldCipher(keyring)


@pytest.mark.parametrize("text", ["", "x", "0123 456", "Müller^Jürgen", "王^小东\n=王", "\0", "\U0001f600" * 1000])
def test_a_text_comes_back_and_its_value_may_stand_in_a_url(cipher: FieldCipher, text: str) -> None:
    value = cipher.encrypt("a", FIELD, text)
    assert cipher.decrypt("a", FIELD, value) == text
    assert re.fullmatch(r"f1(\.[A-Za-z0-9_-]+){3}", value)
    assert len(value) < 160 + len(text.encode()) * 4 / 3


def test_another_process_reads_it_with_the_keyring_alone(cipher: FieldCipher) -> None:
    value = cipher.encrypt("a", FIELD, "text")
    assert FieldCipher(LocalKeyring([entry("2026", FIRST)], "there")).decrypt("a", FIELD, value) == "text"


def test_the_same_text_never_gives_the_same_value(cipher: FieldCipher) -> None:
    values = [cipher.encrypt("a", FIELD, "the same text") for _ in range(200)]
    nonces = {raw(value.split(".")[3])[:12] for value in values}
    assert len(set(values)) == len(nonces) == 200
    bodies = {raw(value.split(".")[3])[12:] for value in values}
    assert len(bodies) == 200


def raw(word: str) -> bytes:
    return base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_every_bit_of_a_value_counts(cipher: FieldCipher) -> None:
    value = cipher.encrypt("a", FIELD, "0123 456")
    words = [raw(word) for word in value.split(".")[1:]]
    for number, word in enumerate(words):
        for place in range(len(word) * 8):
            changed = bytearray(word)
            changed[place // 8] ^= 1 << place % 8
            flipped = [*words[:number], bytes(changed), *words[number + 1 :]]
            with pytest.raises((DamagedError, RefusedError)):
                cipher.decrypt("a", FIELD, ".".join(("f1", *map(text_of, flipped))))


def test_every_letter_of_a_value_counts(cipher: FieldCipher) -> None:
    value = cipher.encrypt("a", FIELD, "0123 45")
    for place, letter in enumerate(value):
        for bit in range(7):
            other = value[:place] + chr(ord(letter) ^ 1 << bit) + value[place + 1 :]
            with pytest.raises((DamagedError, RefusedError)):
                cipher.decrypt("a", FIELD, other)


@pytest.mark.parametrize(
    "change",
    ["", "f1", "f1...", "{v}.", ".{v}", "{v}=", " {v}", "{v}\n", "f2{rest}", "F1{rest}", "{v}é", "f1.a.b.c", "{cut}"],
)
def test_what_is_no_value_is_damaged_and_not_repeated(cipher: FieldCipher, change: str) -> None:
    value = cipher.encrypt("a", FIELD, "text")
    broken = change.format(v=value, rest=value[2:], cut=value[:-1])
    with pytest.raises((DamagedError, RefusedError)) as caught:
        cipher.decrypt("a", FIELD, broken)
    assert value[10:] not in str(caught.value)
    assert "text" not in str(caught.value)


@pytest.mark.parametrize(("tenant", "field"), [("b", FIELD), ("a", "patient.fax"), ("ap", "atient.phone"), ("a", "")])
def test_a_value_is_that_of_one_tenant_and_one_field(cipher: FieldCipher, tenant: str, field: str) -> None:
    value = cipher.encrypt("a", FIELD, "text")
    cipher.decrypt("a", FIELD, value)  # its key is in memory now, which must not help another tenant
    with pytest.raises(DamagedError):
        cipher.decrypt(tenant, field, value)


def test_the_words_of_two_values_do_not_mix(keyring: Counting) -> None:
    values = [FieldCipher(keyring).encrypt("a", FIELD, text).split(".") for text in ("one", "two")]
    for place in (2, 3):
        mixed = [*values[0][:place], values[1][place], *values[0][place + 1 :]]
        with pytest.raises(DamagedError):
            FieldCipher(keyring).decrypt("a", FIELD, ".".join(mixed))


def test_after_a_rotation_old_values_are_read_and_told(cipher: FieldCipher) -> None:
    old = cipher.encrypt("a", FIELD, "text")
    assert not cipher.needs_reencryption("a", old)
    rotated = FieldCipher(LocalKeyring([entry("2026", FIRST, active=False), entry("2027", SECOND)], "here"))
    assert rotated.decrypt("a", FIELD, old) == "text"
    assert rotated.needs_reencryption("a", old)
    new = rotated.encrypt("a", FIELD, rotated.decrypt("a", FIELD, old))
    assert not rotated.needs_reencryption("a", new)
    alone = FieldCipher(LocalKeyring([entry("2027", SECOND)], "here"))
    assert alone.decrypt("a", FIELD, new) == "text"
    with pytest.raises(RefusedError, match="2026"):
        alone.decrypt("a", FIELD, old)
    with pytest.raises(DamagedError):
        alone.needs_reencryption("a", "no value")


def test_a_tenant_without_its_own_key_is_not_read_by_that_of_all() -> None:
    value = FieldCipher(LocalKeyring([entry("own", FIRST, tenant="a")], "here")).encrypt("a", FIELD, "text")
    with pytest.raises(RefusedError):
        FieldCipher(LocalKeyring([entry("own", FIRST, tenant="b")], "here")).decrypt("a", FIELD, value)


def test_the_keyring_is_asked_once_for_each_tenant_and_key_seconds(keyring: Counting) -> None:
    now = 100.0
    cipher = FieldCipher(keyring, key_seconds=10, clock=lambda: now)
    values = [cipher.encrypt("a", FIELD, "x") for _ in range(50)]
    assert {cipher.decrypt("a", FIELD, value) for value in values} == {"x"}
    assert (keyring.wrapped, keyring.unwrapped) == (1, 1)
    cipher.encrypt("b", FIELD, "x")
    assert keyring.wrapped == 2
    now = 110.0
    later = cipher.encrypt("a", FIELD, "x")
    assert later.split(".")[2] != values[0].split(".")[2]
    cipher.decrypt("a", FIELD, values[0])
    assert (keyring.wrapped, keyring.unwrapped) == (3, 2)
    cipher.forget()
    cipher.decrypt("a", FIELD, values[0])
    assert keyring.unwrapped == 3


def test_a_data_key_is_replaced_long_before_its_nonces_may_repeat(
    keyring: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _data_keys.MOST_MESSAGES <= 1 << 32
    monkeypatch.setattr(_data_keys, "MOST_MESSAGES", 5)
    cipher = FieldCipher(keyring)
    keys = [cipher.encrypt("a", FIELD, "x").split(".")[2] for _ in range(15)]
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [5, 5, 5]


def test_keys_in_memory_are_bounded(keyring: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_data_keys, "_MOST_KEYS", 10)
    cipher = FieldCipher(keyring)
    values = {str(tenant): cipher.encrypt(str(tenant), FIELD, "x") for tenant in range(100)}
    assert {cipher.decrypt(tenant, FIELD, value) for tenant, value in values.items()} == {"x"}
    assert len(cipher._keys._sealing) + len(cipher._keys._opening) <= 10


def test_many_threads_share_one_cipher(cipher: FieldCipher) -> None:
    def work(number: int) -> bool:
        tenant, text = "abc"[number % 3], str(number)
        return cipher.decrypt(tenant, FIELD, cipher.encrypt(tenant, FIELD, text)) == text

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))


@pytest.mark.parametrize("text", ["\ud800", "x" * ((1 << 20) + 1)])
def test_what_cannot_be_a_text_is_refused(cipher: FieldCipher, text: str) -> None:
    with pytest.raises(ValueError, match="encrypted field"):
        cipher.encrypt("a", FIELD, text)


@pytest.mark.parametrize("seconds", [-1, 86_401, float("nan")])
def test_a_time_that_cannot_be_is_refused(keyring: Counting, seconds: float) -> None:
    with pytest.raises(ValueError, match="key_seconds"):
        FieldCipher(keyring, key_seconds=seconds)


def test_a_value_is_what_the_text_of_the_format_says(cipher: FieldCipher) -> None:
    """Read with other primitives: AES-GCM as a mode of the block cipher, not `AESGCM`."""

    def gcm(key: bytes, nonce: bytes, sealed: bytes, *parts: bytes) -> bytes:
        decryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce, sealed[-16:])).decryptor()
        decryptor.authenticate_additional_data(b"".join(len(part).to_bytes(4, "big") + part for part in parts))
        return decryptor.update(sealed[:-16]) + decryptor.finalize()

    for value, text in ((cipher.encrypt("a", FIELD, "müde"), "müde"), (KNOWN, "known answer")):
        version, *words = value.split(".")
        key_id, wrapped, sealed = map(raw, words)
        assert (version, key_id) == ("f1", b"2026")
        purpose = b"dicom-common field 1"
        key = gcm(FIRST, wrapped[:12], wrapped[12:], b"dicom-common tenant key 1", key_id, b"a", purpose)
        assert gcm(key, sealed[:12], sealed[12:], purpose, b"a", FIELD.encode(), key_id, wrapped) == text.encode()
        assert cipher.decrypt("a", FIELD, value) == text


def test_a_keyring_that_gives_something_else_than_a_key_is_told(cipher: FieldCipher) -> None:
    class Short(LocalKeyring):
        def unwrap(self, tenant: str, wrapped: WrappedKey, context: bytes) -> bytes:
            return super().unwrap(tenant, wrapped, context)[:16]

    value = cipher.encrypt("a", FIELD, "x")
    with pytest.raises(BackendError, match="32 bytes"):
        FieldCipher(Short([entry("2026", FIRST)], "here")).decrypt("a", FIELD, value)


def test_what_is_wrong_with_a_value_is_told_without_a_word_of_it(cipher: FieldCipher) -> None:
    value = cipher.encrypt("a", FIELD, "0123 456")
    for tenant, broken in (("b", value), ("a", value[:-2]), ("a", value.replace("f1.", "f3."))):
        with pytest.raises(BackendError) as caught:
            cipher.decrypt(tenant, FIELD, broken)
        assert not any(word in str(caught.value) for word in (*value.split(".")[1:], "0123", FIELD))
