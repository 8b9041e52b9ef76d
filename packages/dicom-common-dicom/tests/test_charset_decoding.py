"""Specific Character Set: the examples of PS3.5 annexes H to K, aliases, and text that is not what it says."""

from __future__ import annotations

import time

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


@pytest.mark.parametrize(
    ("declared", "value", "text"),
    [
        ("ISO_IR 100", b"\x1b$)C\xb1\xe8", "김"),
        ("ISO_IR 126", b"\x1b$B;3\x1b(B", "山"),
        ("\\ISO 2022 IR 87", b"\x1b$)C\xb1\xe8", "김"),
        ("ISO 2022 IR 149", b"\x1b$B;3\x1b(B", "山"),
        ("ISO 2022 IR 6\\ISO 2022 IR 100", b"\x1b-L\xb8", "И"),
    ],
)
def test_an_escape_to_a_set_that_is_not_declared_is_a_guess(declared: str, value: bytes, text: str) -> None:
    assert decoder(declared).decode(value) == (text, "decoded by a guess")


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("\\ISO 2022 IR 87", b"\x1b$B;3\x1b(B"),
        ("\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(J"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\x1b)I\xd4\xcf\x1b$B;3\x1b(J"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8"),
        ("\\ISO 2022 IR 58", b"\x1b$)A\xcd\xf5"),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L\xb8\x1b-A\xe9"),
    ],
)
def test_an_escape_to_a_declared_set_is_no_guess(declared: str, value: bytes) -> None:
    _, repair = decoder(declared).decode(value)
    assert not repair


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("ISO 2022 GBK", "gbk", "王小东"),
        ("ISO 2022 GB18030", "gb18030", "王小东"),
        ("WINDOWS-1251", "cp1251", "Иванов"),
        ("windows-1250", "cp1250", "Žižek"),
        ("CP1253", "cp1253", "Ώρα"),
        ("KOI8-R", "koi8_r", "Иванов"),
        ("KOI8-U", "koi8_u", "Їжак"),
        ("BIG5", "big5", "王小東"),
        ("SJIS", "shift_jis", "山田"),
        ("SHIFT_JIS", "shift_jis", "表示"),
        ("Windows-31J", "cp932", "髙橋"),
        ("EUC-KR", "euc_kr", "홍길동"),
        ("EUC-JP", "euc_jp", "山田"),
        ("CP949", "cp949", "똠방"),
        ("GB2312", "gb2312", "王"),
        ("ISO-8859-5", "iso8859-5", "Люк"),
        ("ISO8859-2", "iso8859-2", "Wałęsa"),
        ("ISO_8859-7:1987", "iso8859-7", "Διον"),
        ("LATIN2", "iso8859-2", "Wałęsa"),
        ("TIS-620", "tis_620", "นาม"),
        ("IBM850", "cp850", "Müller"),
        ("utf_8", "utf-8", "王 Müller"),
        ("ISO-8859-8-I", "iso8859-8", "שרון"),
        ("csISO88596E", "iso8859-6", "قباني"),
        ("iso-ir-226", "iso8859-16", "ș"),
        ("win1251", "cp1251", "Иванов"),
        ("CP65001", "utf-8", "王"),
        ("ISO_IR GBK", "gbk", "王小东"),
        ("ISO_IR GB18030", "gb18030", "𠀀"),
        ("IBM00858", "cp858", "Müller €"),
        ("csEUCPkdFmtJapanese", "euc_jp", "山田"),
        ("csHalfWidthKatakana", "shift_jis", "ﾔﾏﾀﾞ"),
        ("ISO-Latin-1", "latin-1", "Müller"),
        ("ISO-10646-UTF-8", "utf-8", "王"),
    ],
)
def test_names_of_the_iana_registry_and_of_python(declared: str, codec: str, text: str) -> None:
    assert is_known_term(declared)
    assert decoder(declared).decode(text.encode(codec)) == (text, "")


@pytest.mark.parametrize(
    "term",
    [
        *("rot13", "ROT-13", "zlib", "base64", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf_7"),
        *("UTF-16", "utf-32", "cp037", "cp500", "hz", "aliases", "mbcs", "undefined", "..", "ISO_IR 7", "1251"),
    ],
)
def test_what_is_not_the_name_of_a_text_with_ascii_is_not_known(term: str) -> None:
    assert not is_known_term(term)
    assert decoder(term).decode(b"abc+AGE-\\x41") == ("abc+AGE-\\x41", "")
    assert decoder(term).decode("ü".encode()) == ("ü", "decoded by a guess")


VENDOR = "decoded with the characters that vendors added to the declared set"


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ("\\ISO 2022 IR 149", b"\x1b$)C" + "똠방".encode("cp949"), "똠방"),
        ("ISO_IR 149", "펲^뷁".encode("cp949"), "펲^뷁"),
        ("\\ISO 2022 IR 87", b"\x1b$B\x2d\x21\x1b(B=\x1b$B;3ED\x1b(B", "①=山田"),
        ("\\ISO 2022 IR 87", b"\x1b$B\x7c\x62\x36\x36\x1b(B", "髙橋"),
        ("ISO_IR 13", "髙橋".encode("cp932"), "髙橋"),
        ("GBK", "𠀀".encode("gb18030"), "𠀀"),
    ],
)
def test_characters_that_vendors_added(declared: str, value: bytes, expected: str) -> None:
    assert decoder(declared).decode(value, person_name=True) == (expected, VENDOR)


@pytest.mark.parametrize("declared", ["", "ISO_IR 100", "ISO_IR 192", "ISO_IR 144", "GB18030", "\\ISO 2022 IR 87"])
@pytest.mark.parametrize("text", ["Müller^Jörg", "Ærø=王", "plain"])
def test_a_byte_order_mark_is_dropped_and_tells_unicode(declared: str, text: str) -> None:
    mark = "decoded as the Unicode that its byte order mark tells"
    assert decoder(declared).decode(b"\xef\xbb\xbf" + text.encode()) == (text, mark)
    assert decoder(declared).decode(text.encode("utf-16")) == (text, mark)


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ("ISO_IR 100", b"\x93M\xfcller\x94 \x80", "“Müller” €"),  # what Windows writes
        ("ISO_IR 100", "Straße".encode(), "Straße"),
        ("", b"\x8akoda", "Škoda"),
        ("ISO_IR 101", b"\x8akoda", "Škoda"),
        ("ISO_IR 144", b"\x93\xcb\xfe\xea\x94", "“Люк”"),  # what Windows writes
        ("ISO_IR 148", b"\x93\xde\x94", "“Ş”"),
        ("ISO_IR 203", "Œuvre\u201d".encode(), "Œuvre\u201d"),
    ],
)
def test_control_bytes_are_the_sign_of_another_set(declared: str, value: bytes, expected: str) -> None:
    text, repair = decoder(declared).decode(value)
    assert text == expected
    assert repair


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ("ISO_IR 192", "Mü=".encode() + b"\xff\xfe\xfa=" + "王".encode(), "Mü=ÿþú=王"),
        ("ISO_IR 192", "Grün\\".encode() + b"Gr\xfcn", "Grün\\Grün"),
        ("\\ISO 2022 IR 87", b"Yamada=\x1b$B;3\x1b(B=\x1b$B$d$^\x1b(B", "Yamada=山=やま"),
        ("\\ISO 2022 IR 149", b"Hong=\x1b$)C\xff\xff=\x1b$)C\xc8\xab", "Hong=ÿÿ=홍"),
        ("GB18030", "王小".encode("gb18030") + b"\xb6", "王小\ufffd"),
        ("ISO_IR 192", "Jörg".encode() + b"\xc3", "Jörg\ufffd"),
        ("EUC-KR", "홍=".encode("euc_kr") + b"\xff\xff=" + "길".encode("euc_kr"), "홍=ÿÿ=길"),
        ("GB18030", b"Wang=\xff\xff=" + "东".encode("gb18030"), "Wang=ÿÿ=东"),
        ("BIG5", "王".encode("big5")[:1] + b"=" + "東".encode("big5"), "¤=東"),
        ("SJIS", b"\x87\x40\x8a", "①\ufffd"),  # cut behind a character that only vendors have
        ("ISO_IR 192", b"\xef\xbb\xbfM\xc3\xbc=\xff\xfdz", "Mü=ÿýz"),
        ("", b"\xef\xbb\xbfM\xc3\xbc=\xff\xfdz", "Mü=ÿýz"),
    ],
)
def test_what_cannot_be_decoded_costs_its_piece(declared: str, value: bytes, expected: str) -> None:
    text, repair = decoder(declared).decode(value, person_name=True)
    assert text == expected
    assert bool(repair) == ("山" not in expected)


@pytest.mark.parametrize(
    ("declared", "codec", "text"),
    [
        ("GBK", "gbk", "誠\\運"),
        ("SJIS", "shift_jis", "表\\能"),
        ("BIG5", "big5", "功\\許"),
        ("GB18030", "gb18030", "誠\\運"),
    ],
)
def test_a_backslash_inside_a_character_delimits_nothing(declared: str, codec: str, text: str) -> None:
    value = text.encode(codec)
    assert (
        value.count(b"\\") == 1 + sum(b"\\" in character.encode(codec) for character in text if character != "\\") > 1
    )
    assert decoder(declared).decode(value) == (text, "")
    # Also where one of the values has to be guessed.
    assert decoder(declared).decode(value + b"\\\x81")[0].startswith(text + "\\")


def test_a_space_does_not_end_double_byte_characters_and_katakana_may_stand_among_them() -> None:
    assert decoder("ISO 2022 IR 13\\ISO 2022 IR 87").decode(b"\x1b$B;3 ED\xd4\x1b(J") == ("山 田ﾔ", "")
    assert decoder("\\ISO 2022 IR 87").decode(b"\x1b(I\x54\x4f\x1b(B") == ("ﾔﾏ", "")


def test_escapes_are_scanned_once() -> None:
    """The time of twice as much text is about twice the time; a scan for each delimiter made it four times."""

    def seconds(size: int) -> float:
        value = b"\x1b-L" + b"\xbb^" * size
        begin = time.process_time()
        decoder("ISO 2022 IR 100\\ISO 2022 IR 144").decode(value, person_name=True)
        return time.process_time() - begin

    small = min(seconds(100_000) for _ in range(3))
    assert min(seconds(400_000) for _ in range(3)) < 8 * small + 0.1
