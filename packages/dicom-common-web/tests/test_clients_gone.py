"""Clients that vanish or are slow: what they held is given back, measured in lanes, open files, threads and memory."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from made_instances import grey, make_instance, study_uid
from server_process import STUDIES, ServerProcess, multipart, server_process, until

pytestmark = [pytest.mark.kills, pytest.mark.slow]
LARGE = 12 * 1024 * 1024
TIMES = int(os.environ.get("DICOM_COMMON_TEST_REQUESTS", "40"))
_MOST_GROWTH = 24 * 1024 * 1024
_LANE = re.compile(r'dicom_common_web_lane_requests\{lane="(\w+)",state="[\w-]+"\} ([0-9.]+)')


class Held(NamedTuple):
    """What a server holds."""

    lanes: dict[str, float]
    files: tuple[str, ...]
    threads: int
    memory: int


def held(server: ServerProcess) -> Held:
    lanes: dict[str, float] = {}
    for lane, count in _LANE.findall(server.request("GET", "/metrics").body.decode()):
        lanes[lane] = lanes.get(lane, 0) + float(count)
    process = Path(f"/proc/{server.process.pid}")
    kib = re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text(encoding="ascii"))
    assert kib is not None
    return Held(lanes, tuple(_open_files(process)), len(list((process / "task").iterdir())), int(kib[1]) * 1024)


def _open_files(process: Path) -> list[str]:
    """What a process has open beside the index, which keeps as many connections as were ever in use at once."""
    found = []
    for descriptor in (process / "fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            found.append(descriptor.readlink().name)
    return [name for name in found if not name.startswith("index.")]


def wait_until_given_back(server: ServerProcess, before: Held) -> Held:
    """Wait until no lane is taken and no more files are open than before; return what is held then."""
    end = time.monotonic() + 60
    while True:
        now = held(server)
        # The one who asks has a connection of its own.
        if not any(now.lanes.values()) and len(now.files) <= len(before.files) + 3:
            return now
        assert time.monotonic() < end, (before, now)
        time.sleep(0.2)


def ask_and_vanish(server: ServerProcess, request: bytes, *, read: int = 0) -> None:
    """Send a request, read a part of the answer, and reset the connection."""
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(request)
        while read > 0 and (piece := connection.recv(min(read, 65536))):
            read -= len(piece)
        assert read <= 0


def ask_at_once(server: ServerProcess, number: int) -> None:
    """Retrieve and search as often as that at the same time."""
    with ThreadPoolExecutor(number) as threads:
        for path in (f"{STUDIES}/{study_uid()}", f"{STUDIES}?limit=1"):
            answers = threads.map(lambda _, path=path: server.request("GET", path).status, range(number))
            assert set(answers) == {200}


def retrieval(path: str, accept: str = 'multipart/related; type="application/dicom"; transfer-syntax=*') -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with server_process(tmp_path / "data", web__retrieves=4, web__stores=4, web__send_seconds=5) as running:
        pixels = grey(3072, 4096, PixelData=bytes(LARGE))
        assert running.store(make_instance(1, instance=1, **pixels)).status == 200
        assert running.store(make_instance(1, instance=2, **pixels)).status == 200
        yield running


def test_3_11_who_vanishes_in_a_retrieval_gives_all_back(server: ServerProcess) -> None:
    study = f"{STUDIES}/{study_uid()}"
    requests = (retrieval(study), retrieval(f"{study}/bulkdata", "*/*"))
    start = held(server)

    def vanish() -> Held:
        for number in range(TIMES):
            ask_and_vanish(server, requests[number % 2], read=number * 40_000)
        return wait_until_given_back(server, start)

    before = vanish()  # what the first ones load stays: threads, and what the allocator keeps for them
    after = vanish()
    assert after.memory - before.memory < _MOST_GROWTH
    assert after.threads <= before.threads + 4
    assert server.request("GET", f"{STUDIES}/{study_uid()}").status == 200


def test_3_11_who_does_not_read_gives_its_lane_back_in_time(server: ServerProcess) -> None:
    ask_at_once(server, 8)
    before = held(server)
    stalled = []
    for _ in range(4):
        connection = server.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(retrieval(f"{STUDIES}/{study_uid()}"))
        stalled.append(connection)
    until(lambda: held(server).lanes["retrieve"] == 4)
    assert server.request("GET", f"{STUDIES}?limit=1").status == 200  # a search has lanes of its own
    assert server.request("GET", f"{STUDIES}/{study_uid()}").status == 200  # behind those who do not read
    wait_until_given_back(server, before)
    for connection in stalled:
        connection.close()


def test_6_8_who_vanishes_in_a_store_leaves_nothing_behind(server: ServerProcess, tmp_path: Path) -> None:
    small, _ = multipart([make_instance(2)])
    large, content_type = multipart([make_instance(2, instance=2, **grey(3072, 4096, PixelData=bytes(LARGE)))])
    lines = (f"POST {STUDIES} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}")
    ask_and_vanish(server, "\r\n".join([*lines, f"Content-Length: {len(large)}", "", ""]).encode() + large[:5_000_000])
    start = wait_until_given_back(server, held(server))
    files = sorted(path for path in (tmp_path / "data").rglob("*") if path.is_file())

    def vanish() -> Held:
        for number in range(TIMES):
            body = small if number % 3 == 0 else large
            cut = (number + 1) * len(body) // (TIMES + 1)
            head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
            ask_and_vanish(server, head + body[:cut])
        return wait_until_given_back(server, start)

    before = vanish()
    after = vanish()
    assert after.memory - before.memory < _MOST_GROWTH
    assert after.threads <= before.threads + 4

    def left() -> list[Path]:
        new = {path for path in (tmp_path / "data").rglob("*") if path.is_file()} - set(files)
        return [path for path in new if "-wal" not in path.name and "-shm" not in path.name]

    until(lambda: not left())
    assert server.request("GET", f"{STUDIES}?StudyInstanceUID={study_uid(2)}").body == b"[]"
