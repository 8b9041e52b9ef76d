"""HTTP/1.1 with limits that uvicorn does not have: the size of a request's head, and how long a client may take."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dicom_common.web._errors import HttpError, error_response
from dicom_common.web._serving._joining import Joining
from dicom_common.web._settings import WebSettings

__all__ = ["protocol"]

_LINGER_SECONDS = 10.0
_LINGER_BYTES = 64 * 1024 * 1024
"""How long, and for how many bytes, the rest of a body is read that was answered before its end. Who closes at once has
the answer lost on its way: the client's system drops it when it learns that its bytes were not wanted."""


class _Limited(HttpToolsProtocol):
    """One connection. A client that is slow with a request's head, or sends none, does not keep it."""

    limits: WebSettings

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._timer: asyncio.TimerHandle | None = None
        self._in_head, self._head_bytes, self._lingering, self._is_refused = True, 0, 0, False
        tls = transport.get_extra_info("ssl_object")
        self._certificate: Any = tls.getpeercert() if tls is not None else None
        if len(self.connections) > self.limits.max_connections:
            self._refuse(503, "The server has too many connections: try again.", retry=True)
            return
        self._wait(self.limits.head_seconds, self._slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._is_refused or self.transport.is_closing():
            return
        if self._in_head:
            if self._timer is None:
                self._wait(self.limits.head_seconds, self._slow)
            self._head_bytes += len(data)
        super().data_received(data)
        # A head that ended has set the count to 0: what is counted here has no end yet.
        if self._in_head and self._head_bytes > self.limits.max_head_bytes and not self.transport.is_closing():
            self._refuse(431, _TOO_LONG)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn's always closes
        """Keep a connection whose client has no more to say, and waits for the answer to a whole request."""
        waits = self._in_head and self.cycle is not None and not self.cycle.response_complete
        return True if waits and not self._certificate and self.scheme == "http" else None

    def on_headers_complete(self) -> None:
        """Answer a request whose head has come, or refuse it."""
        self._wait(None)
        self._in_head, self._head_bytes = False, 0
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        extensions: Any = self.scope.setdefault("extensions", {})
        # Who closes waits until all is sent, for as long as the client likes.
        extensions["dicom_common.abort"] = self.transport.abort
        if self._certificate:
            extensions["dicom_common.client_certificate"] = self._certificate
        app = self.app
        if size > self.limits.max_head_bytes:
            self.app = _answer_431
        try:
            super().on_headers_complete()
        finally:
            self.app = app
        if self.scope["method"] != "HEAD":  # whose answer is its head
            self.cycle.transport = Joining(self.transport, self.cycle)  # type: ignore[assignment]  # it has what is used

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; where the answer is complete already, read past it, within limits."""
        if self.cycle.response_complete:
            self._lingering += len(body)
            if self._lingering > _LINGER_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head, self._head_bytes, self._lingering = True, 0, 0
        if self.cycle.response_complete:
            self._wait(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on, with what is left of the body first."""
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._wait(_LINGER_SECONDS, self.transport.close)

    def _slow(self) -> None:
        if self._head_bytes:
            self._refuse(408, "The request's headers took too long.")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str, *, retry: bool = False) -> None:
        """Answer without the application, and close."""
        self._is_refused = True
        response = error_response(HttpError(status, message, {"retry-after": "1"} if retry else {}))
        head = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
        head += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*head, b"connection: close", b"", bytes(response.body)]))
        self.transport.close()

    def _wait(self, seconds: float | None, then: Any = None) -> None:
        """Set the connection's one time limit, in place of the one before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, then)


_TOO_LONG = "The request line and the headers are too long: see web.max_head_bytes."


async def _answer_431(scope: Scope, receive: Receive, send: Send) -> None:
    await error_response(HttpError(431, _TOO_LONG, {"connection": "close"}))(scope, receive, send)


def protocol(settings: WebSettings) -> type[HttpToolsProtocol]:
    """Return the protocol of connections with the limits of some settings."""
    return type("LimitedProtocol", (_Limited,), {"limits": settings})
