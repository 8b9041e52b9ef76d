"""The words of a name: what counts of them, and that they are bounded."""

from __future__ import annotations

import unicodedata

import pytest

from dicom_common.toolkit.query_rules import MAX_WORD, MAX_WORDS, name_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", ()),
        ("^^=-' ,.", ()),
        ("Doe^Jane", ("doe", "jane")),
        ("Doe^Jane=Doe^Jane", ("doe", "jane")),
        ("M\u00fcller-L\u00fcdenscheidt", ("muller", "ludenscheidt")),
        ("Stra\u00dfe \u00d8RSTED \u0141\u00f3d\u017a \u00c6sir", ("strasse", "orsted", "lodz", "aesir")),
        ("\u0130stanbul I\u015eIL \u0131l\u0131k", ("istanbul", "isil", "ilik")),
        ("\uff21\uff42\uff43\u3000\uff76\uff9e\uff77", ("abc", "\u30ac\u30ad")),
        ("\u30ab\u30ad", ("\u30ab\u30ad",)),
        ("\uae38\ub3d9", ("\uae38\ub3d9",)),
        ("\u0623\u062d\u0645\u0640\u062f", ("\u0627\u062d\u0645\u062f",)),
        ("\u0641\u0627\u0637\u0650\u0645\u0629", ("\u0641\u0627\u0637\u0645\u0647",)),
        ("O\u2019Brien O'Brien", ("o", "brien")),
        ("a\0b", ("ab",)),
    ],
)  # fmt: skip
def test_what_counts(name: str, words: tuple[str, ...]) -> None:
    assert name_words(name) == words
    for form in ("NFC", "NFD"):
        assert name_words(unicodedata.normalize(form, name)) == words


def test_words_of_words_are_the_same() -> None:
    names = (
        "M\u00fcller^J\u00f6rg",
        "\u0130NAN\u00c7",
        "\u5f20^\u5c0f\u4e1c",
        "\uae38\ub3d9",
        "\u0149 \ufb03 \u1e9e \u03a3\u03c2 \u1f88",
    )
    for name in names:
        words = name_words(name)
        assert name_words(" ".join(words)) == words


def test_they_are_bounded_whatever_the_name_is() -> None:
    assert [len(word) for word in name_words("x" * 1000)] == [MAX_WORD]
    assert len(name_words(" ".join(f"w{n}" for n in range(1000)))) == MAX_WORDS
    assert name_words("\ud800lone") == ("lone",)
