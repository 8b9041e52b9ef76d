"""`dicom-common conformance`: what the installed packages say of themselves becomes one statement."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from dicom_common.cli import main

_PARTS = {"Storing instances", "Support of character sets", "Security"}
"""Of the packages that this one needs; others may be installed beside them."""


def _run(tmp_path: Path, *words: str) -> int:
    return main(["--data", str(tmp_path / "data"), *words])


def test_every_package_has_its_section_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(tmp_path, "conformance", "--json") == 0
    statement = json.loads(capsys.readouterr().out)
    titles = [one["title"] for one in statement["sections"]]
    assert set(titles) >= _PARTS
    places = [one["place"] for one in statement["sections"]]
    assert places == sorted(places)
    assert statement["versions"]["dicom-common-host"] == version("dicom-common-host")
    for section in statement["sections"]:
        for table in section["tables"]:
            assert table["rows"] or table["title"] == "Peers", table["title"]


def test_markdown_has_the_same_and_a_table_keeps_its_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(tmp_path, "conformance", "--json") == 0
    statement = json.loads(capsys.readouterr().out)
    assert _run(tmp_path, "conformance", "--output", str(tmp_path / "statement.md")) == 0
    assert capsys.readouterr().out == ""
    lines = (tmp_path / "statement.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# DICOM Conformance Statement"
    for number, section in enumerate(statement["sections"], 2):
        assert f"## {number} {section['title']}" in lines
        for letter, table in enumerate(section["tables"], 1):
            begin = lines.index(f"### {number}.{letter} {table['title']}") + 2
            rows = lines[begin + 2 : begin + 2 + len(table["rows"])]
            assert {row.replace("\\|", "").count("|") for row in rows} <= {len(table["columns"]) + 1}


def test_the_settings_in_effect_are_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[ingest]\nduplicates = "keep"\n[policy.delete]\nroles = ["chief"]\n', encoding="utf-8")
    assert main(["--config", str(file), "conformance"]) == 0
    out = capsys.readouterr().out
    assert "is acknowledged with B006; the stored one is kept" in out
    assert "| delete | - | chief | - |" in out


def test_a_package_that_cannot_write_its_part_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "site"
    info = folder / "acme_statement-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-statement\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[dicom_common.conformance]\nacme = acme_statement:part\n", encoding="utf-8")
    (folder / "acme_statement.py").write_text("def part(config):\n    raise KeyError('x')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "acme_statement", raising=False)
    assert _run(tmp_path, "conformance") == 2
    assert "The package acme-statement cannot write its section of the statement (KeyError)" in capsys.readouterr().err
