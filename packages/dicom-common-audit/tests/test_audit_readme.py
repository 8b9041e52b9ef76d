"""The README's program runs, and its table names every setting."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from audit_site import check

from dicom_common.audit import AuditSettings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_program_leaves_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dicom-common.toml").write_text('extensions = ["audit"]\n[audit]\nfree_bytes = 0\n')
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})
    found = check(tmp_path / "dicom-common-data" / "audit", None)
    assert (found.records, found.flaws) == (1, [])


def test_the_table_names_every_setting() -> None:
    named = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", README.partition("## Settings")[2], re.MULTILINE)
    assert named == [setting.name for setting in dataclasses.fields(AuditSettings)]
