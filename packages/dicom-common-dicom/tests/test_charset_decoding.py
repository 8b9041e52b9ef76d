"""Specific Character Set: the examples of PS3.5 annexes H to K, aliases, and text that is not what it says."""

from __future__ import annotations

import pytest

from dicom_common.dicom._character_sets import CharacterSet, character_set, is_known_term


def decoder(declared: str, default: str = "ISO_IR 100") -> CharacterSet:
    return character_set(tuple(declared.split("\\")) if declared else (), default)


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (
            "\\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
        (
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        ),
        (
            "\\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
            "Hong^Gildong=洪^吉洞=홍^길동",
        ),
        ("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東="),
        ("GB18030", "Wang^XiaoDong=王^小东=".encode("gb18030"), "Wang^XiaoDong=王^小东="),
        ("GBK", "Wang^XiaoDong=王^小东=".encode("gbk"), "Wang^XiaoDong=王^小东="),
        ("ISO 2022 IR 6\\ISO 2022 IR 159", b"\x1b$(D\x22\x6f\x1b(B", "™"),
    ],
)
def test_names_with_code_extensions(declared: str, value: bytes, expected: str) -> None:
    assert decoder(declared).decode(value, person_name=True) == (expected, "")


@pytest.mark.parametrize(
    ("term", "codec", "text"),
    [
        ("ISO_IR 100", "latin-1", "Äneas"),
        ("ISO_IR 101", "iso8859-2", "Wałęsa"),
        ("ISO_IR 109", "iso8859-3", "Ħal"),
        ("ISO_IR 110", "iso8859-4", "Ķēniņš"),
        ("ISO_IR 144", "iso8859-5", "Люкceмбypг"),  # noqa: RUF001  # Cyrillic is what it shows
        ("ISO_IR 127", "iso8859-6", "قباني"),
        ("ISO_IR 126", "iso8859-7", "Διονυσιος"),
        ("ISO_IR 138", "iso8859-8", "שרון"),
        ("ISO_IR 148", "iso8859-9", "Çavuşoğlu"),
        ("ISO_IR 166", "iso8859-11", "นามสกุล"),
        ("ISO_IR 203", "iso8859-15", "Œuvre €"),
        ("ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ"),
    ],
)
def test_repertoires_without_and_with_escapes(term: str, codec: str, text: str) -> None:
    assert decoder(term).decode(text.encode(codec)) == (text, "")
    extended = term.replace("ISO_IR", "ISO 2022 IR")
    assert decoder(f"{extended}\\ISO 2022 IR 87").decode(text.encode(codec)) == (text, "")


def test_two_right_halves_in_one_value() -> None:
    value = b"Dionisi\xe9=\x1b-L\xbb\xee\xda"
    assert decoder("ISO 2022 IR 100\\ISO 2022 IR 144").decode(value, person_name=True) == ("Dionisié=Люк", "")


def test_a_delimiter_ends_what_an_escape_began() -> None:
    declared = decoder("ISO 2022 IR 100\\ISO 2022 IR 144")
    assert declared.decode(b"\x1b-L\xbb\xee\\\xe9") == ("Лю\\é", "")
    assert declared.decode(b"\x1b-L\xbb\r\n\xe9") == ("Л\r\né", "")
    assert declared.decode(b"\x1b-L\xbb^\xe9", person_name=True) == ("Л^é", "")
    assert declared.decode(b"\x1b-L\xbb^\xe9") == ("Л^щ", "")


def test_a_double_byte_character_may_hold_the_byte_of_a_delimiter() -> None:
    value = b"\x1b$B" + "表".encode("euc_jp").translate(bytes(byte & 0x7F for byte in range(256))) + b"\x1b(B\\b"
    assert decoder("\\ISO 2022 IR 87").decode(value) == ("表\\b", "")
    assert decoder("\\ISO 2022 IR 87").decode(b"\x1b$B\x30\x5c\x1b(B") == (b"\xb0\xdc".decode("euc_jp"), "")


@pytest.mark.parametrize(
    "alias",
    ["ISO-IR 100", "ISO IR 100", "ISO_IR_100", "ISO_IR100", "latin1", "ISO 2022 IR 100", "ISO 8859-1", "iso_ir 100"],
)
def test_aliases_of_latin_1(alias: str) -> None:
    assert is_known_term(alias)
    assert decoder(alias).decode(b"\xe9") == ("é", "")


@pytest.mark.parametrize(("alias", "value"), [("UTF8", "é".encode()), ("UTF-8", "é".encode()), ("GB2312", b"\xcd\xf5")])
def test_other_aliases(alias: str, value: bytes) -> None:
    assert decoder(alias).decode(value)[1] == ""


@pytest.mark.parametrize("declared", ["", "ISO_IR 6", "NONSENSE", "ISO_IR 192"])
def test_what_is_not_declared_is_utf8_then_the_default_then_replaced(declared: str) -> None:
    if declared != "ISO_IR 192":
        assert decoder(declared).decode("Müller".encode()) == ("Müller", "decoded by a guess")
    assert decoder(declared).decode("Müller".encode("latin-1")) == ("Müller", "decoded by a guess")
    assert decoder(declared, "GB18030").decode("王".encode("gb18030")) == ("王", "decoded by a guess")
    assert decoder(declared, "ISO_IR 6").decode(b"M\xfcller") == ("M�ller", "decoded by a guess")


@pytest.mark.parametrize(
    "value", [b"\x1b", b"\x1b$", b"\x1b(Z\xff", b"a\x1b$B\x30", b"\x1b$)C\xff", b"\x1b\x1b\x1b", bytes(range(256))]
)
@pytest.mark.parametrize(
    "declared", ["", "\\ISO 2022 IR 87", "ISO 2022 IR 149", "GB18030", "ISO_IR 192", "ISO 2022 IR 13\\ISO 2022 IR 159"]
)
def test_damaged_text_is_never_an_error(value: bytes, declared: str) -> None:
    text, _ = decoder(declared).decode(value, person_name=True)
    text.encode()


@pytest.mark.parametrize("declared", ["ISO_IR 192", "UTF-8", "GB18030", "GBK"])
def test_an_escape_means_nothing_where_code_extensions_are_prohibited(declared: str) -> None:
    assert decoder(declared).decode(b"\x1b$B;3ED\x1b(B") == ("\x1b$B;3ED\x1b(B", "decoded by a guess")
    text = "\x1b$)C王"
    codec = "utf-8" if declared in ("ISO_IR 192", "UTF-8") else declared
    assert decoder(declared).decode(text.encode(codec)) == (text, "decoded by a guess")


def test_an_escape_where_nothing_is_declared_is_a_guess() -> None:
    assert decoder("").decode(b"\x1b$B;3ED\x1b(B") == ("山田", "decoded by a guess")
    assert decoder("").decode(b"\x1b$)C\xfb\xf3^A", person_name=True) == ("洪^A", "decoded by a guess")
    assert decoder("GB2312").decode(b"\x1b$)A\xcd\xf5") == ("王", "")
