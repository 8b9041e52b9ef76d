"""What a conformance statement says, and its badge."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from dicom_common.testing._statement import Outcome, Statement, badge_of, lines_of, statement_of

BACKEND = {"kind": "storage", "name": "tape", "distribution": "tape-storage", "version": "1.2", "server": "a robot"}
KIT = {"distribution": "dicom-common-testing", "version": "0.1.0", "python": "3.12.1", "date": "2026-11-29"}


def made(*outcomes: tuple[str, str, str]) -> Statement:
    told = [Outcome(contract="StorageContract", test=test, outcome=how, reason=why) for test, how, why in outcomes]
    return statement_of(told, backend=BACKEND, kit=KIT)


def test_of_the_cases_of_a_test_the_worst_counts() -> None:
    statement = made(
        ("test_a", "proven", ""),
        ("test_a", "not kept", "3 != 4"),
        ("test_a", "skipped", "no"),
        ("test_b", "skipped", "no"),
        ("test_b", "proven", ""),
        ("test_c", "proven", ""),
        ("test_c", "proven", ""),
        ("test_d", "not promised", "no clock"),
    )
    assert statement.proven == ["test_c"]
    assert statement.not_kept == [{"test": "test_a", "reason": "3 != 4"}]
    assert statement.skipped == [{"test": "test_b", "reason": "no"}]
    assert statement.not_promised == [{"test": "test_d", "reason": "no clock"}]
    assert json.loads(json.dumps(statement.as_dict()))["backend"] == BACKEND


def test_the_text_names_who_and_what() -> None:
    text = "\n".join(lines_of(made(("test_a_key_is_kept", "proven", ""), ("test_x", "not kept", "it is lost"))))
    for words in ("tape-storage 1.2", "a robot", "StorageContract of dicom-common-testing 0.1.0", "a key is kept"):
        assert words in text
    assert "1 NOT KEPT:\n  x: it is lost" in text


@pytest.mark.parametrize(
    ("outcome", "words", "colour"),
    [
        ("proven", "dicom-common storage: 1 proven", "#2e7d32"),
        ("not kept", "dicom-common storage: 1 not kept", "#b3261e"),
        ("not promised", "dicom-common storage: 0 proven, 1 not promised", "#8a6d00"),
        ("skipped", "dicom-common storage: 0 proven, 0 not promised", "#8a6d00"),
    ],
)
def test_a_badge_says_it_in_words_and_by_its_colour(outcome: str, words: str, colour: str) -> None:
    image = ET.fromstring(badge_of(made(("test_a", outcome, "why"))))
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    assert image.attrib["aria-label"] == words
    assert colour in badge_of(made(("test_a", outcome, "why")))
