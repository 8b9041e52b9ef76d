"""Every numbered requirement of QIDO-RS, WADO-RS and STOW-RS has a test that carries its number."""

from __future__ import annotations

import re

import pytest
from _workspace import ROOT

NUMBERS = (
    *(f"2.{number}" for number in range(1, 16)),  # QIDO-RS
    *(f"3.{number}" for number in range(1, 14)),  # WADO-RS
    *(f"6.{number}" for number in range(1, 11)),  # STOW-RS
)
_TEST = re.compile(r"^(?:async )?def test_(\d+)_(\d+)_", re.MULTILINE)


@pytest.fixture(scope="module")
def tested() -> set[str]:
    files = [*ROOT.glob("packages/*/tests/*.py"), *ROOT.glob("tests/*.py")]
    return {f"{one}.{two}" for file in files for one, two in _TEST.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("number", NUMBERS)
def test_a_requirement_has_a_test_that_carries_its_number(number: str, tested: set[str]) -> None:
    assert number in tested
