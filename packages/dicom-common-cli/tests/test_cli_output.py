"""Texts that are safe to print, and values that are TOML."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from dicom_common.cli._output import print_json, print_table, printable
from dicom_common.cli._toml import toml_value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Yamada^Tarou=山田^太郎", "Yamada^Tarou=山田^太郎"),
        ("a\x1b]0;title\x07b", r"a\x1b]0;title\x07b"),
        ("\x9b2J", r"\x9b2J"),
        ("line\nline\r", r"line\nline\r"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udcff", r"\udcff"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_json_has_no_control_character_and_is_the_same_value(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": "\x1b\x9b\u202e\udcff\u2028 山田 😀"}

    print_json(value)

    line = capsys.readouterr().out
    assert printable(line.removesuffix("\n")) == line.removesuffix("\n")
    assert "山田" in line
    assert json.loads(line) == value


def test_a_table_escapes_its_cells_and_cuts_only_what_may_be_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["uid", "name"], [["1" * 64, "\x1b[31m[red]" + "n" * 64], [None, "[/]"]], whole=["uid"])

    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == ["uid", "name"]
    assert first == "1" * 64 + "  " + (r"\x1b[31m[red]" + "n" * 64)[:39] + "…"
    assert second.strip() == "[/]"


@pytest.mark.parametrize("value", [True, 3, 0.5, 'a"b\\c\x7f\x00é😀', ["a", 1], {"x y": {"z": [1.5]}}, [], {}], ids=str)
def test_values_are_written_as_toml(value: object) -> None:
    assert tomllib.loads(f"value = {toml_value(value)}") == {"value": value}


def test_paths_and_tuples_are_written_as_toml() -> None:
    assert toml_value((Path("/a b"), "c")) == '["/a b", "c"]'
