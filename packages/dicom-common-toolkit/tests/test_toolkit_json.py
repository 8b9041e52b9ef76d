"""JSON of strangers: refused with one kind of error, whatever is wrong with it."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pytest

from dicom_common.toolkit import MAX_JSON_DEPTH, parse_json


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -7,
        1.5,
        "",
        "Müller^\U0001f9b4",
        [],
        {},
        [{}, [1, "a"]],
        {"a": {"b": [None]}},
        1 << 200,
        "\\ud800",
    ],
)
def test_what_is_json_is_parsed_as_it_is(value: Any) -> None:
    for escaped in (True, False):
        text = json.dumps(value, ensure_ascii=escaped)
        assert parse_json(text) == parse_json(text.encode()) == value


def nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + "0" + closing * depth


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":[', "]}]")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    containers = opening.count("[") + opening.count("{")
    most = MAX_JSON_DEPTH // containers
    parsed = parse_json(nested(most, opening, closing))
    assert parse_json(json.dumps(parsed)) == parsed
    for depth in (most + 1, 500, 5_000, 200_000):
        with pytest.raises(ValueError, match="too deep"):
            parse_json(nested(depth, opening, closing))
        with pytest.raises(ValueError, match="too deep"):
            parse_json((opening * depth).encode())


def test_many_brackets_that_do_not_nest_are_no_depth() -> None:
    wide: list[Any] = [[{}] for _ in range(10_000)]
    assert parse_json(json.dumps(wide)) == wide
    assert parse_json(json.dumps({"text": "[" * 10_000})) == {"text": "[" * 10_000}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "[1,]",
        "[1] 2",
        "{'a': 1}",
        "NaN",
        '{"a": [Infinity]}',
        "-Infinity",
        "1e999",
        '{"a": -1e400}',
        "9" * 5_000,
        '{"a": 1, "a": 1}',
        '[{"b": {"x": 1, "\\u0078": 2}}]',
        r'"\ud800"',
        r'{"a": "\uDFff\ud800"}',
        r'{"\udc00": 1}',
        '"\ud800"',
        "\ufeff{}",
        '"a\nb"',
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is not JSON") as caught:
        parse_json(text)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None), "they would hold the text"
    with pytest.raises(ValueError, match="it is not JSON"):
        parse_json(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("data", [b"\xff", b'"\xe9"', '{"a": 1}'.encode("utf-16"), b"\xef\xbb\xbf{}", b"\xed\xa0\x80"])
def test_bytes_have_to_be_utf_8(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is not JSON"):
        parse_json(data)


def test_a_pair_of_surrogates_is_a_character() -> None:
    assert parse_json(r'"\ud83e\uddb4"') == "\U0001f9b4"


def test_little_room_on_the_stack_is_a_refusal_too() -> None:
    outcomes: list[str] = []

    def descend(left: int) -> None:
        if left:
            descend(left - 1)
            return
        try:
            parse_json("[" * 60 + "]" * 60)
            outcomes.append("parsed")
        except ValueError:
            outcomes.append("refused")

    for room in (80, 60, 40):
        thread = threading.Thread(target=descend, args=(sys.getrecursionlimit() - room,))
        thread.start()
        thread.join()
    assert len(outcomes) == 3
    assert "refused" in outcomes
