"""A provider of keys for tests: a real HTTP server on loopback that does what the test says, and counts."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

__all__ = ["Answer", "IdentityProvider"]

_PATIENCE = 60.0


@dataclass(frozen=True)
class Answer:
    """How the provider answers a request for its keys, in place of giving them."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """None: the keys."""
    delay: float = 0.0
    """Seconds before the first byte."""
    padding: int = 0
    """Spaces behind the body."""
    drip: float = 0.0
    """Seconds between each byte and the next."""


class IdentityProvider:
    """Publishes keys at `jwks_uri`, and where they are in its discovery document. A context manager.

    Args:
        certificates: serve with TLS; the folder gets `ca.pem`.
    """

    def __init__(self, certificates: Path | None = None) -> None:
        self.keys: list[Any] = []
        """The JWKs that are published; replace the list at any time."""
        self.answer = Answer()
        self.discovery: Mapping[str, Any] = {}
        """Changes of the discovery document."""
        self.gate = threading.Event()
        """Answers are given while it is set, as it is at first."""
        self.gate.set()
        self.asked: list[str] = []
        """The paths of all requests."""
        self.ca: Path | None = None
        self._context = None if certificates is None else self._make_certificate(certificates)
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def issuer(self) -> str:
        """What it is called in `iss`, and where it is."""
        return f"{'http' if self._context is None else 'https'}://127.0.0.1:{self._port}"

    @property
    def jwks_uri(self) -> str:
        """Where the keys are."""
        return f"{self.issuer}/keys"

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return self.asked.count("/keys")

    def start(self) -> None:
        """Listen: on the same port as before, where it has listened before."""
        server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self._respond))
        server.daemon_threads = True
        if self._context is not None:
            # Without the handshake in `accept`: a client that refuses the certificate must not end the loop.
            server.socket = self._context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._server, self._port = server, server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be down: connections are refused."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        self.gate.wait(_PATIENCE)
        if handler.path != "/keys":
            document = {"issuer": self.issuer, "jwks_uri": self.jwks_uri} | dict(self.discovery)
            _send(handler, Answer(), json.dumps(document).encode())
            return
        answer, keys = self.answer, self.keys
        time.sleep(answer.delay)
        body = json.dumps({"keys": keys}).encode() if answer.body is None else answer.body
        _send(handler, answer, body + b" " * answer.padding)

    def _make_certificate(self, folder: Path) -> ssl.SSLContext:
        import trustme  # noqa: PLC0415 - only some cases need it

        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return context


def _send(handler: BaseHTTPRequestHandler, answer: Answer, body: bytes) -> None:
    handler.send_response(answer.status)
    for name, value in (
        {"Content-Type": "application/json", "Content-Length": str(len(body))} | answer.headers
    ).items():
        handler.send_header(name, value)
    handler.end_headers()
    pieces = [body] if not answer.drip else [bytes([byte]) for byte in body]
    for piece in pieces:
        handler.wfile.write(piece)
        handler.wfile.flush()
        time.sleep(answer.drip)


def _handler(respond: Callable[[BaseHTTPRequestHandler], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                respond(self)
            except OSError:  # the client has had enough, or refuses our certificate
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
