"""Capabilities: what is accepted, until when, and that nothing else is."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given, strategies as st

from dicom_common.core import AuthenticationError, ConfigError, Secret
from dicom_common.crypto import Capabilities, Capability, SigningKey

FIRST, SECOND = bytes(range(32)), bytes(range(32, 72))
NOW = 1_800_000_000


def key(key_id: str, data: bytes, *, active: bool = True) -> SigningKey:
    return SigningKey(id=key_id, key=Secret(base64.b64encode(data).decode()), active=active)


def at(seconds: float, *keys: SigningKey) -> Capabilities:
    return Capabilities(keys or [key("2026", FIRST)], clock=lambda: seconds)


@pytest.fixture
def token() -> str:
    return at(NOW).sign("clinic", "1.2.3", "1.2.3.4", seconds=60)


def raw(word: str) -> bytes:
    return base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))


def test_it_names_what_may_be_retrieved(token: str) -> None:
    expected = Capability(tenant="clinic", study_uid="1.2.3", series_uid="1.2.3.4", expires=NOW + 60)
    assert at(NOW).verify(token) == expected
    assert at(NOW).verify(at(NOW).sign("clinic", "1.2.3", seconds=60)).series_uid == ""


def test_it_ends_when_it_has_expired(token: str) -> None:
    assert at(NOW + 59.999).verify(token)
    for late in (60, 61, 1e6):
        with pytest.raises(AuthenticationError):
            at(NOW + late).verify(token)


def test_every_bit_of_every_letter_counts(token: str) -> None:
    capabilities = at(NOW)
    for place, letter in enumerate(token):
        for bit in range(7):
            with pytest.raises(AuthenticationError) as caught:
                capabilities.verify(token[:place] + chr(ord(letter) ^ 1 << bit) + token[place + 1 :])
            assert "1.2.3" not in str(caught.value)


def test_words_cannot_be_moved_left_out_or_added(token: str) -> None:
    words = token.split(".")
    wrong = [words[:-1], words[1:], [*words, ""], [*words, words[-1]], words[::-1], [], [""] * 7, ["c1"] * 7]
    wrong += [[*words[:-1], ""], [*words[:-1], words[-1][:-1]], [words[0], words[1], "", *words[3:]]]
    wrong += [[*words[:place], words[place + 1], words[place], *words[place + 2 :]] for place in range(1, 5)]
    for parts in wrong:
        with pytest.raises(AuthenticationError):
            at(NOW).verify(".".join(parts))
    for text in (token + "=", " " + token, token + "\n", token * 2, "é" + token, "x" * 100_000, "." * 1000, "\ud800"):
        with pytest.raises(AuthenticationError):
            at(NOW).verify(text)


@given(st.text(max_size=200))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for attempt in (text, f"c1.{text}", f"c1.MjAyNg.{text}.{text}.{text}.{text}.{text}"):
        with pytest.raises(AuthenticationError):
            at(NOW).verify(attempt)


def test_a_key_that_is_not_active_verifies_and_one_that_is_gone_does_not(token: str) -> None:
    rotated = at(NOW, key("2026", FIRST, active=False), key("2027", SECOND))
    assert rotated.verify(token)
    new = rotated.sign("clinic", "1.2.3", seconds=60)
    assert at(NOW, key("2027", SECOND)).verify(new)
    for others in ([key("2027", SECOND)], [key("2026", SECOND)]):
        with pytest.raises(AuthenticationError):
            at(NOW, *others).verify(token)


def test_another_key_does_not_sign_for_this_one() -> None:
    forged = at(NOW, key("2026", SECOND)).sign("clinic", "1.2.3", seconds=60)
    with pytest.raises(AuthenticationError):
        at(NOW).verify(forged)


def test_it_is_hmac_of_the_words_as_the_text_of_the_format_says(token: str) -> None:
    version, *words, signature = token.split(".")
    parts = [b"dicom-common capability 1", *map(raw, words)]
    assert (version, parts[1:]) == ("c1", [b"2026", b"clinic", b"1.2.3", b"1.2.3.4", str(NOW + 60).encode()])
    mac = HMAC(FIRST, SHA256())
    mac.update(b"".join(len(part).to_bytes(4, "big") + part for part in parts))
    mac.verify(raw(signature))


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
def test_a_time_that_cannot_be_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        at(NOW).sign("clinic", "1.2.3", seconds=seconds)


@pytest.mark.parametrize(("tenant", "study"), [("", "1.2"), ("clinic", ""), ("clinic", "1" * 1000)])
def test_what_cannot_be_signed_is_refused(tenant: str, study: str) -> None:
    with pytest.raises(ValueError, match="capability"):
        at(NOW).sign(tenant, study, seconds=60)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "one has to be active"),
        ([key("a", FIRST, active=False)], "one has to be active"),
        ([key("a", FIRST), key("b", SECOND)], "one has to be active"),
        ([key("a", FIRST), key("a", SECOND, active=False)], "id of its own"),
        ([key("", FIRST)], "id of its own"),
        ([key("a b", FIRST)], "id of its own"),
        ([key("a", FIRST[:31])], "32 bytes"),
        ([SigningKey(id="a", key=Secret("not base64"), active=True)], "32 bytes"),
    ],
)
def test_keys_that_cannot_be_are_told(keys: list[SigningKey], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Capabilities(keys)


def test_no_key_is_seen() -> None:
    shown = repr(key("2026", FIRST)) + repr(at(NOW))
    assert base64.b64encode(FIRST).decode() not in shown
    assert repr(FIRST) not in shown
