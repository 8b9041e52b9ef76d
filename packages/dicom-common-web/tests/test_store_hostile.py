"""STOW-RS under what is large and what is broken: no 5xx, no hang, no growth."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest
from made_instances import make_instance
from server_process import STUDIES, ServerProcess, multipart, server_process

BODIES = int(os.environ.get("DICOM_COMMON_TEST_REQUESTS", "300"))
LARGE = 2 * 1024**3
_MOST_MEMORY = 128 * 1024 * 1024


_HEADS = (
    b"Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
    b"Content-Type: application/dicom\r\nContent-Type: text/plain",
    b"Content-Type: multipart/related; boundary=inner",
    b"Content-Type:",
    b"content-type:APPLICATION/DICOM ; x",
    b"Content-Location: ../../../../etc/passwd\r\nContent-Type: application/dicom",
    b"Content-Transfer-Encoding: base64\r\nContent-Type: application/dicom",
    b"Content-Encoding: gzip\r\nContent-Type: application/dicom",
    b"Content-Length: -1\r\nContent-Type: application/dicom",
    b'Content-Disposition: form-data; name="a"; filename="../x"',
    b"\r\n".join(b"X-%d: y" % number for number in range(300)),
    b"X: " + b"y" * 70_000,
    b"\0\xff\xfe: \x80",
    b" folded\r\n\tand more",
    b"",
)
_TYPES = (
    '{type}; start="<1>"',
    "{type}; boundary=twice",
    "multipart/mixed; boundary={boundary}",
    'multipart/related; type="application/dicom+json"; boundary={boundary}',
    'multipart/related; type="application/dicom+xml"; boundary={boundary}',
    'multipart/related; boundary="{boundary}"',
    "MULTIPART/RELATED;BOUNDARY={boundary};TYPE=APPLICATION/DICOM",
    "application/dicom",
    "multipart/related; boundary=" + "x" * 5000,
    "multipart/related; boundary=\x80\xff",
)


def _broken(chance: random.Random) -> tuple[bytes, str]:
    """Return a body that was right, with odd heads or some bytes changed, and its Content-Type."""
    parts = [
        make_instance(400 + chance.randrange(3), instance=1 + chance.randrange(3)) for _ in range(chance.randrange(4))
    ]
    if chance.random() < 0.2:
        parts.append(multipart(parts)[0])  # of an own boundary
    body, content_type = multipart(parts)
    boundary = content_type.rpartition("=")[2]
    if chance.random() < 0.3:
        content_type = chance.choice(_TYPES).format(type=content_type, boundary=boundary)
    if chance.random() < 0.3:
        body = body.replace(b"Content-Type: application/dicom", chance.choice(_HEADS), chance.randrange(1, 4))
    if chance.random() < 0.1:
        body = body.replace(b"\r\n", b"\n")
    made = bytearray(body)
    if chance.random() < 0.3:
        return bytes(made), content_type
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(made)) if made else 0
        piece = chance.choice([b"", b"\r\n", b"--", b"\0", b"\r\n\r\n", bytes(made[at : at + 60]), chance.randbytes(5)])
        made[at : at + chance.choice([0, 1, 2, 40])] = piece
    if chance.random() < 0.1:
        content_type = content_type[: chance.randrange(len(content_type))]
    return bytes(made), content_type


def _in_pieces(body: bytes, chance: random.Random) -> Iterator[bytes]:
    """Give a body in chunks (RFC 9112 7.1) that end anywhere."""
    start = 0
    while start < len(body):
        end = start + chance.choice([1, 2, 50, 5000])
        yield body[start:end]
        start = end


@pytest.mark.slow
def test_6_2_broken_bodies_are_answered_and_leave_nothing_in_memory(process: ServerProcess) -> None:
    chance, statuses = random.Random(20261129), Counter[int]()
    before = 0
    for number in range(BODIES):
        body, content_type = _broken(chance)
        sent = _in_pieces(body, chance) if number % 3 == 0 else body
        answer = process.request("POST", STUDIES, sent, content_type=content_type)
        statuses[answer.status] += 1
        if number == BODIES // 3:
            before = process.memory()
    assert not [status for status in statuses if status >= 500], statuses
    assert statuses[200]
    assert {400, 415} <= set(statuses), statuses
    assert process.memory() - before < 30 * 1024 * 1024


def test_no_bytes_at_all_bring_the_server_down(process: ServerProcess) -> None:
    chance = random.Random(20261129)
    for _ in range(100):
        try:
            with process.connect() as connection:
                connection.sendall(
                    b"POST /dicom-web/studies HTTP/1.1\r\n" * chance.randrange(2) + chance.randbytes(300)
                )
                connection.shutdown(1)
                while connection.recv(65536):
                    pass
        except (OSError, HTTPException):
            continue
    assert process.request("GET", "/healthz").status == 200


@pytest.mark.slow
def test_9_5_an_instance_of_2_gib_fits_through_little_memory(tmp_path: Path) -> None:
    small = make_instance(1, Rows=1, Columns=1, BitsAllocated=8, PixelData=b"\1\2")
    head = small[: small.rindex(b"\xe0\x7f\x10\x00")] + b"\xe0\x7f\x10\x00OB\0\0" + LARGE.to_bytes(4, "little")

    def body() -> Iterator[bytes]:
        yield b"--b\r\n\r\n" + head
        for _ in range(LARGE // 1024**2):
            yield bytes(1024**2)
        yield b"\r\n--b--"

    with server_process(tmp_path / "data") as running:
        before = running.memory()
        content_type = 'multipart/related; type="application/dicom"; boundary=b'
        answer = running.request("POST", STUDIES, body(), content_type=content_type)
        assert answer.status in (200, 202), answer.body
        assert running.memory() - before < _MOST_MEMORY
        (stored,) = (tmp_path / "data").rglob("*.dcm")
        assert stored.stat().st_size == len(head) + LARGE
        stored.unlink()
