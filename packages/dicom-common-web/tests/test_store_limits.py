"""STOW-RS at the limits of what clients may send, in bytes, parts, time and connections (6.3, 9.5)."""

from __future__ import annotations

import gc
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from live_server import live_server
from made_instances import make_instance
from server_process import STUDIES, ServerProcess, head, multipart, server_process, until

from dicom_common.pipeline import HELD
from dicom_common.web._stow._intake import Intake


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with small limits."""
    limits: dict[str, Any] = {
        "web__max_request_bytes": 100_000,
        "web__max_parts": 3,
        "web__receive_seconds": 3.0,
        "web__min_rate": 100_000,
        "web__head_seconds": 3.0,
        "web__max_head_bytes": 4096,
        "web__max_connections": 20,
        "web__keep_alive_seconds": 3.0,
    }
    with server_process(tmp_path_factory.mktemp("narrow") / "data", **limits) as running:
        yield running


def test_6_3_a_body_that_is_too_large_is_413_with_a_length_and_without(narrow: ServerProcess) -> None:
    body, content_type = multipart([make_instance(130, PixelData=bytes(200_000))])
    assert narrow.request("POST", STUDIES, body, content_type=content_type).status == 413
    assert narrow.request("POST", STUDIES, iter([body]), content_type=content_type).status == 413


def test_6_3_too_many_parts_are_413(narrow: ServerProcess) -> None:
    assert narrow.store(*[make_instance(131, instance=number) for number in range(1, 4)]).status == 200
    assert narrow.store(*[make_instance(132, instance=number) for number in range(1, 5)]).status == 413


def test_9_5_a_body_that_stops_or_drips_is_a_408(narrow: ServerProcess) -> None:
    body, content_type = multipart([make_instance(133)])
    with narrow.connect() as connection:
        connection.sendall(head(content_type, f"Content-Length: {len(body)}") + body[:100])
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
    with narrow.connect() as connection:
        connection.sendall(head(content_type, "Content-Length: 90000"))
        end = time.monotonic() + 60
        connection.settimeout(0.2)
        came = b""
        while not came and time.monotonic() < end:
            connection.sendall(b"x")
            try:
                came = connection.recv(1000)
            except TimeoutError:
                continue
        assert came.startswith(b"HTTP/1.1 408 ")


def test_9_5_heads_that_are_long_or_slow(narrow: ServerProcess) -> None:
    for sent in (
        b"GET /" + b"a" * 5000,
        b"GET / HTTP/1.1\r\nX: " + b"a" * 9000,
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 2000 + b"\r\n",
    ):
        with narrow.connect() as connection:
            connection.sendall(sent)
            assert connection.recv(1000).startswith(b"HTTP/1.1 431 ")
    with narrow.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
    with narrow.connect() as connection:  # that says nothing
        assert connection.recv(1000) == b""


def test_9_5_connections_beyond_the_limit_are_refused_and_the_server_goes_on(narrow: ServerProcess) -> None:
    silent = [narrow.connect() for _ in range(20)]
    try:
        with narrow.connect() as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 503 ")
    finally:
        for one in silent:
            one.close()
    until(lambda: narrow.request("GET", "/healthz").status == 200)  # once it has seen that those are closed


@pytest.mark.slow
def test_9_5_a_slow_sender_holds_up_nobody(tmp_path: Path) -> None:
    # Whoever waited for a slow one would wait for longer than the client of this test does.
    with server_process(tmp_path / "data", web__stores=1, web__receive_seconds=600) as one:
        body, content_type = multipart([make_instance(1, PixelData=bytes(4_000_000), Rows=1, Columns=1)])
        slow = [one.connect() for _ in range(4)]
        for connection in slow:
            connection.sendall(head(content_type, f"Content-Length: {len(body)}") + body[:3_000_000])
        for number in range(2, 12):
            assert one.store(make_instance(number)).status == 200
        for connection in slow:
            connection.close()


def test_9_5_what_waits_to_be_stored_is_counted_as_held(tmp_path: Path) -> None:
    with live_server(tmp_path / "data") as live, ThreadPoolExecutor(12) as clients:
        assert live.store(make_instance(1))[0].status == "stored"

        def post(number: int) -> int:
            body, content_type = multipart([make_instance(number, PixelData=bytes(900_000), Rows=1, Columns=1)])
            return httpx.post(
                f"{live.url}/studies", content=body, headers={"content-type": content_type}, timeout=90
            ).status_code

        with closing(sqlite3.connect(tmp_path / "data" / "index.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # so that nothing can be indexed
            statuses = [clients.submit(post, number) for number in range(2, 14)]
            end = time.monotonic() + 30
            while HELD.size < 12 * 900_000 and time.monotonic() < end:
                time.sleep(0.01)
            held = HELD.size
            other.execute("ROLLBACK")
        assert {one.result() for one in statuses} == {200}
    assert held >= 12 * 900_000
    assert HELD.size == 0


def test_9_5_what_a_request_sent_is_let_go_of_however_it_is_answered(tmp_path: Path) -> None:
    def held() -> int:
        return sum(isinstance(one, Intake) for one in gc.get_objects())

    whole, content_type = multipart([make_instance(1)])
    with live_server(tmp_path / "data") as live:
        gc.collect()
        gc.disable()
        try:
            for body, status in ((whole, 200), (whole[:-10], 400), (b"", 400), (whole[:-10] + bytes(70_000), 400)):
                answer = httpx.post(f"{live.url}/studies", content=body, headers={"content-type": content_type})
                assert answer.status_code == status
            end = time.monotonic() + 10
            while held() and time.monotonic() < end:
                time.sleep(0.01)
            assert not held()
        finally:
            gc.enable()
