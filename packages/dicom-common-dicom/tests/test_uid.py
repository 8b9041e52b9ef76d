"""UIDs: PS3.5 9.1, the hash that rows carry, and new ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from dicom_common.core import DicomError
from dicom_common.dicom import hash_uid, is_valid_uid, new_uid, validate_uid
from dicom_common.dicom._uid import sea_hash

UNDER_BOTH = ["1.2", "0.0", "2.25.1", "1.2.840.10008.1.1", "1." + "1" * 62]
ONLY_LENIENT = ["1", "3.1", "1.02", "01.2", "1.2.00"]
UNDER_NEITHER = [
    *("", ".", "..", "1.", ".1", "1..2", "1.2.", "1.a", "../1", "1/2", "1\\2", "1.2\n", "\n1.2", "1.2\0", " 1.2"),
    *("1.2 ", "-1.2", "+1.2", "1,2", "1.2\r\n3", "1." + "1" * 63, "\u0661.\u0662", "1.\u00b2", "1.%2e.2"),
]


@pytest.mark.parametrize("uid", UNDER_BOTH)
def test_a_uid_of_the_standard_is_valid_in_both_modes(uid: str) -> None:
    assert is_valid_uid(uid)
    assert is_valid_uid(uid, strict=True)


@pytest.mark.parametrize("uid", ONLY_LENIENT)
def test_leading_zeros_and_odd_roots_are_valid_only_when_lenient(uid: str) -> None:
    assert is_valid_uid(uid)
    assert not is_valid_uid(uid, strict=True)


@pytest.mark.parametrize("uid", UNDER_NEITHER)
def test_anything_else_is_never_a_uid(uid: str) -> None:
    assert not is_valid_uid(uid)
    assert not is_valid_uid(uid, strict=True)


@given(st.text(max_size=70))
def test_a_valid_uid_is_safe_as_a_path_segment(text: str) -> None:
    if is_valid_uid(text):
        assert re.fullmatch(r"[0-9][0-9.]*", text)
        assert ".." not in text
        assert len(text.encode()) <= 64


@pytest.mark.parametrize("padded", ["1.2\0", "1.2 ", "1.2  ", "1.2 \0", "1.2\0 ", "1.2"])
def test_padding_is_taken_off(padded: str) -> None:
    assert validate_uid(padded, strict=True) == "1.2"


@pytest.mark.parametrize("uid", ["1.2\0\0", "SECRET", "", " ", "\0", "../../SECRET"])
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_no_uid_is_refused_without_being_repeated(uid: str, strict: bool) -> None:
    with pytest.raises(DicomError) as refusal:
        validate_uid(uid, strict=strict)
    assert refusal.value.reason == "invalid-uid"
    assert "SECRET" not in str(refusal.value)


def test_sea_hash_has_its_reference_value() -> None:
    assert sea_hash(b"to be or not to be") == 1988685042348123509


@given(st.binary(max_size=80), st.binary(min_size=1, max_size=8))
def test_sea_hash_depends_on_every_byte_and_on_the_length(data: bytes, more: bytes) -> None:
    assert 0 <= sea_hash(data) < 2**64
    assert sea_hash(data) != sea_hash(data + more)


def test_hash_uid_has_twenty_decimal_digits() -> None:
    hashes = {hash_uid(f"1.2.{number}") for number in range(500)}
    assert len(hashes) == 500
    assert all(re.fullmatch(r"[0-9]{20}", value) for value in hashes)
    assert int(hash_uid("1.2.3")) == sea_hash(b"1.2.3")


def test_hash_uid_refuses_what_has_no_ascii_bytes() -> None:
    with pytest.raises(ValueError, match="digits and dots"):
        hash_uid("1.²")


def test_new_uids_are_valid_different_and_under_the_uuid_root() -> None:
    uids = {new_uid() for _ in range(1000)}
    assert len(uids) == 1000
    assert all(is_valid_uid(uid, strict=True) and uid.startswith("2.25.") for uid in uids)
