"""A server as an operator runs it: the command, in a process of its own, on a free port."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["COMMAND", "Answer", "ServerProcess", "head", "multipart", "server_process", "until"]

COMMAND = (sys.executable, "-m", "dicom_common.cli")
STUDIES = "/dicom-web/studies"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class ServerProcess:
    """A server that listens."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    said: list[str] = field(default_factory=list)
    """The lines of its stderr."""

    def request(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Ask once, on a connection of its own; underscores in names of headers stand for hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)  # type: ignore[arg-type]  # bytes, a file or an iterator
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def store(self, *instances: bytes, path: str = STUDIES, **headers: str) -> Answer:
        """Send instances in one request."""
        body, content_type = multipart(instances)
        return self.request("POST", path, body, **{"content_type": content_type, **headers})

    def connect(self) -> socket.socket:
        """Return a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def begin_store(self, connection: socket.socket, content_type: str, length: int, data: bytes) -> None:
        """Send the head of a store and the beginning of its body; return when the request is in hand."""
        connection.sendall(head(content_type, f"Content-Length: {length}", "Expect: 100-continue"))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data)

    @property
    def is_stopping(self) -> bool:
        """Whether it has said that it was told to stop."""
        return any("a second signal stops at once" in line for line in self.said)

    def workers(self) -> list[int]:
        """Return the ids of its worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        found = []
        for one in children.split():
            with suppress(FileNotFoundError):  # it has ended meanwhile
                if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes():
                    found.append(int(one))
        return found

    def memory(self) -> int:
        """Return the most memory that the process ever had in use, in bytes (Linux)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]  # the kernel writes it


def head(content_type: str, *lines: str) -> bytes:
    """Return the head of a STOW-RS request."""
    top = (f"POST {STUDIES} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", *lines)
    return ("\r\n".join(top) + "\r\n\r\n").encode()


def multipart(parts: Sequence[bytes], content_type: str = "application/dicom") -> tuple[bytes, str]:
    """Return a body of such parts, and its Content-Type."""
    boundary = uuid.uuid4().hex.encode()
    begin = b"--" + boundary + b"\r\nContent-Type: " + content_type.encode() + b"\r\n\r\n"
    body = b"".join(begin + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"
    return body, f'multipart/related; type="application/dicom"; boundary={boundary.decode()}'


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something is so. The seconds are a guard, no measure."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def server_process(
    data: Path, *options: str, port: int = 0, config: Path | None = None, expected: str = "", **settings: object
) -> Iterator[ServerProcess]:
    """Run a server until the block ends; then it has to end in good order.

    Settings are variables: `web__max_parts=3`. An error in its log is a failure, unless it has `expected` in it.
    """
    variables = {f"DICOM_COMMON_{name.upper()}": str(value) for name, value in settings.items()}
    named = ["--config", str(config)] if config is not None else ["--data", str(data)]
    command = [*COMMAND, *named, "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **variables})
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.match(r"Listening on https?://\S+?:(\d+)/", line):
                break
        else:
            raise AssertionError(f"the server did not start: {said}")
        reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        reader.start()
        yield ServerProcess(process, int(found[1]), data, said)
        if process.poll() is None:
            process.terminate()
            assert process.wait(90) == 0, said
    finally:
        process.kill()
        process.wait()
    reader.join(60)
    process.stderr.close()
    bad = [line for line in said if "Traceback" in line or "ERROR" in line]
    assert not [line for line in bad if not expected or expected not in line], said
