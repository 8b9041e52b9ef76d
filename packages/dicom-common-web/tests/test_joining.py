"""Heads of answers go out with the first piece of the body; whatever has no body goes out at once."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from server_process import STUDIES, ServerProcess


class Answer(NamedTuple):
    """What one request got."""

    status: int
    body: bytes


def request(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", "")).encode()


def taken(received: bytes, *, has_body: bool) -> tuple[Answer, bytes] | None:
    """Take the first answer off; None: it is not whole."""
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end:
        return None
    length = re.search(rb"\ncontent-length: (\d+)", head.lower())
    size = int(length[1]) if length and has_body else 0
    return None if len(rest) < size else (Answer(int(head.split()[1]), rest[:size]), rest[size:])


def test_a_small_answer_comes_in_one_piece(process: ServerProcess) -> None:
    with process.connect() as connection:
        for _ in range(20):
            connection.sendall(request("GET", "/healthz"))
            # What was sent by one call over the loopback is received by one.
            answer = taken(connection.recv(65536), has_body=True)
            assert answer is not None
            assert answer[0].status == 200


def test_answers_of_every_kind_follow_each_other_on_one_connection(process: ServerProcess) -> None:
    asked = [
        ("GET", "/healthz"),
        ("HEAD", "/healthz"),
        ("OPTIONS", STUDIES),
        ("GET", "/nothing"),
        ("HEAD", "/nothing"),
        ("GET", STUDIES),
        ("HEAD", STUDIES),
        ("GET", "/healthz"),
    ]
    with process.connect() as connection:
        connection.sendall(b"".join(request(*one) for one in asked))
        answers: list[Answer] = []
        received = b""
        while len(answers) < len(asked):
            if (one := taken(received, has_body=asked[len(answers)][0] != "HEAD")) is not None:
                answers.append(one[0])
                received = one[1]
                continue
            piece = connection.recv(65536)
            assert piece, "the connection ended early"
            received += piece
    assert not received
    assert [one.status for one in answers] == [200, 200, 204, 404, 404, 200, 200, 200]
    assert [bool(one.body) for one in answers] == [True, False, False, True, False, True, False, True]


@pytest.mark.parametrize("path", ["/healthz", "/dicom-web/openapi.json", "/nothing"])
def test_the_last_answer_of_a_connection_is_whole(process: ServerProcess, path: str) -> None:
    with process.connect() as connection:
        connection.sendall(request("GET", path, "Connection: close"))
        received = b""
        while piece := connection.recv(65536):
            received += piece
    answer = taken(received, has_body=True)
    assert answer is not None
    assert answer[0].body
    assert not answer[1]
    with process.connect() as connection:
        connection.sendall(request("HEAD", path, "Connection: close"))
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 %d" % answer[0].status)
    assert received.endswith(b"\r\n\r\n")
