"""The README says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from dicom_common.dicom import ReaderSettings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_has_every_setting_and_its_default() -> None:
    section = README.split("## Settings")[1].split("##")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", section, re.MULTILINE))
    defaults = {field.name: str(field.default) for field in fields(ReaderSettings)}
    assert documented == {name: "true" if value == "True" else value for name, value in defaults.items()}


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_examples_run(example: str) -> None:
    exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
