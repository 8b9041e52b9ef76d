"""The parser of multipart bodies: by the letter of RFC 2046, whatever the pieces, and whatever arrives."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterable

import pytest

from dicom_common.web._stow._parts import END, Head, MultipartError, PartParser

BODIES = int(os.environ.get("DICOM_COMMON_TEST_BODIES", "3000"))


def parts_of(pieces: Iterable[bytes], boundary: bytes = b"b") -> list[tuple[dict[str, str], bytes]]:
    parser, parts = PartParser(boundary), list[tuple[dict[str, str], bytes]]()
    headers, data, is_open = dict[str, str](), b"", False
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, Head):
                assert not is_open
                headers, data, is_open = dict(event.headers), b"", True
            elif event is END:
                assert is_open
                parts.append((headers, data))
                is_open = False
            else:
                assert is_open
                assert event
                data += event
    if not parser.is_complete:
        raise MultipartError("early end")
    return parts


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"--b\r\n\r\nxy\r\n--b--", [({}, b"xy")]),
        (b"preamble\r\n--b\r\nA: 1\r\nB:2 \r\n\r\nxy\r\n--b--\r\nepilogue", [({"a": "1", "b": "2"}, b"xy")]),
        (b"--b \t\r\n\r\nx\r\n--b   \r\n\r\ny\r\n--b--", [({}, b"x"), ({}, b"y")]),
        (b"--b\n\nx\r\n--b\n\ny\n--b--\n", [({}, b"x\r"), ({}, b"y")]),
        (b"--b\r\nA: 1\r\n\r\n--b--", [({"a": "1"}, b"")]),
        (b"--b\r\n\r\n\r\n--b--", [({}, b"")]),
        (b"--b\r\nA: 1,\r\n\t2\r\n\r\nx\r\n--b--", [({"a": "1, 2"}, b"x")]),
        (b"--b\r\n\r\n\r\n--bc\r\n--\r\n-b--b\n--b\r\n--b--", [({}, b"\r\n--bc\r\n--\r\n-b--b\n--b")]),
        (b"--b--", []),
    ],
)
def test_6_2_parts_are_those_of_rfc_2046_whatever_the_pieces(
    body: bytes, parts: list[tuple[dict[str, str], bytes]]
) -> None:
    for size in (len(body), 1, 2, 3, 7):
        assert parts_of(body[at : at + size] for at in range(0, len(body), size)) == parts


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary at all",
        b"--b\r\nA: 1\r\n\r\nx",
        b"--b\r\n\r\nx\r\n--b",
        b"--b\r\nno header\r\n\r\nx\r\n--b--",
        b"--b\r\nA: 1\r\nA: 2\r\n\r\nx\r\n--b--",
        b"--b\r\nA: " + b"1" * 20_000 + b"\r\n\r\nx\r\n--b--",
        b"--b\r\n" + b"".join(b"A%d: 1\r\n" % number for number in range(100)) + b"\r\nx\r\n--b--",
        b"x" * 100_000 + b"\r\n--b\r\n\r\nx\r\n--b--",
    ],
)
def test_6_2_what_is_malformed_is_refused(body: bytes) -> None:
    for size in (len(body), 1000):
        with pytest.raises(MultipartError):
            parts_of(body[at : at + size] for at in range(0, len(body), size))


def test_6_2_random_bodies_give_the_same_parts_in_any_pieces_and_hold_nothing() -> None:
    chance = random.Random(20261129)
    words = [
        b"\r\n",
        b"--b",
        b"--",
        b"\n",
        b"\r",
        b" ",
        b"b",
        b":",
        b"A: 1",
        b"xyz",
        b"--b\r\n\r\n",
        b"\r\n--b",
        b"-" * 300,
    ]
    for _ in range(BODIES):
        body = b"--b\r\n\r\n" * (chance.random() < 0.7) + b"".join(chance.choices(words, k=chance.randrange(30)))
        answers = []
        for cuts in (0, 3, len(body)):
            places = sorted(chance.choices(range(len(body) + 1), k=cuts)) if cuts < len(body) else range(len(body))
            pieces = [body[a:b] for a, b in zip([0, *places], [*places, len(body)], strict=True)]
            try:
                answers.append(parts_of(pieces))
            except MultipartError:
                answers.append([])
        assert answers[0] == answers[1] == answers[2], body


def test_6_2_a_long_part_is_not_held() -> None:
    parser = PartParser(b"b" * 70)
    list(parser.feed(b"--" + b"b" * 70 + b"\r\n\r\n"))
    passed = 0
    for _ in range(1000):
        passed += sum(len(event) for event in parser.feed(b"\r\n--bbb" * 1000) if isinstance(event, bytes))
        assert len(parser._buffer) < 100
    assert passed >= 7_000_000 - 100


def test_a_parser_is_no_garbage_that_has_to_be_found() -> None:
    gc.collect()
    gc.disable()
    try:
        assert parts_of([b"--b\r\n\r\nxy\r\n--b--"]) == [({}, b"xy")]
        assert not any(type(one) is PartParser for one in gc.get_objects())
    finally:
        gc.enable()
