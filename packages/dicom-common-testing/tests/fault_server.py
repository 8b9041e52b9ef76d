"""A real HTTP server that keeps what it gets, and notes what it saw."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dicom_common.testing import Endpoint

LARGE = bytes(range(256)) * 20_000


class Handler(BaseHTTPRequestHandler):
    """PUT keeps a body, GET gives it back; the paths below /chunked answer in chunks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    kept: dict[str, bytes]
    hosts: list[str]
    cut: list[str]
    endpoint: Endpoint

    def do_PUT(self) -> None:
        self.hosts.append(self.headers["Host"])
        if self.path == "/refused":
            self.close_connection = True
            return self.answer(403, b"refused before the body was read")
        try:
            body = self.body()
        except ConnectionError:
            self.cut.append(self.path)
            raise
        self.kept[self.path] = body
        return self.answer(200, hashlib.sha256(body).hexdigest().encode())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) != length:
            self.cut.append(self.path)
            raise ConnectionAbortedError
        return body

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"http://{self.endpoint}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.startswith("/chunked"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for at in range(0, len(LARGE), 50_000):
                piece = LARGE[at : at + 50_000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path in self.kept:
            self.answer(200, self.kept[self.path])
        else:
            self.answer(404, b"nothing")

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        pass  # connections break here all the time


class Running:
    """A server, and what it saw."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {"/large": LARGE, "/small": b"small"}
        self.hosts: list[str] = []
        self.cut: list[str] = []
        members = {"kept": self.kept, "hosts": self.hosts, "cut": self.cut}
        bound = type("Bound", (Handler,), members)
        self.http = Server(("127.0.0.1", 0), bound)
        self.endpoint = Endpoint("127.0.0.1", self.http.server_address[1])
        bound.endpoint = self.endpoint  # type: ignore[attr-defined]  # made by `type`
