"""One process that serves: from the first request until those in hand are answered."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_common.host import Services, server_context
from dicom_common.web._app import create_app
from dicom_common.web._errors import RETRY_AFTER, HttpError, error_response
from dicom_common.web._serving._protocol import protocol
from dicom_common.web._settings import WebSettings

__all__ = ["Serving", "serve"]

_INTERRUPTED = 130
_GIVEN_UP_SECONDS = 10.0
"""For how long what was given up is waited for: an instance that is being written is finished."""
_STOPPED = {"retry-after": RETRY_AFTER, "connection": "close"}


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served. It can be sent to another process, the socket too."""

    settings: WebSettings
    listening: socket.socket
    public_url: str
    """The service root as clients know it; "" where links follow the request."""


class _Server(uvicorn.Server):
    """Ends on the first signal when the requests in hand are answered, on the second at once."""

    def __init__(
        self, config: uvicorn.Config, signals: tuple[signal.Signals, ...], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._signals, self._on_stop = signals, on_stop

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals for the server. Uvicorn's own would send them again when the server has ended in good order."""
        loop = asyncio.get_running_loop()
        for number in self._signals:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in self._signals:
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if self.should_exit:
            # What was acknowledged is durable, and what was not the sender has: there is nothing to clear up.
            os._exit(_INTERRUPTED)
        self.should_exit = True
        self._on_stop()


def _ended_well(app: ASGIApp) -> ASGIApp:
    """Tell a client whose request is given up at the end of the server that it can come again.

    Uvicorn does not wait for what it gives up, and the application closes what requests use.
    """
    in_hand: set[object] = set()

    async def life(scope: Scope, receive: Receive, send: Send) -> None:
        async def receiving() -> Message:
            message = await receive()
            end = time.monotonic() + _GIVEN_UP_SECONDS
            while message["type"] == "lifespan.shutdown" and in_hand and time.monotonic() < end:  # noqa: ASYNC110 - at the end, once
                await asyncio.sleep(0.02)
            return message

        await app(scope, receiving, send)

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        is_begun = False

        async def sending(message: Message) -> None:
            nonlocal is_begun
            is_begun = True
            await send(message)

        if scope["type"] != "http":
            await life(scope, receive, send)
            return
        request = object()
        in_hand.add(request)
        try:
            await app(scope, receive, sending)
        except asyncio.CancelledError:
            if is_begun:
                raise
            error = HttpError(503, "The server is stopping: send the request again.", _STOPPED)
            await error_response(error)(scope, receive, send)
        finally:
            in_hand.discard(request)

    return answering


def serve(
    services: Services,
    serving: Serving,
    *,
    signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM),
    on_stop: Callable[[], None] = lambda: None,
    until: Callable[[Callable[[], None]], None] = lambda _: None,
) -> None:
    """Serve until a signal, in the main thread of a process. The services stay open.

    Args:
        services: the backends.
        serving: what is served.
        signals: those that end it.
        on_stop: is called with the first of them.
        until: is called with a function that ends the server as the first signal does, from any thread.

    Raises:
        DicomCommonError: the configuration is wrong, or a backend cannot be opened.
    """
    settings = serving.settings
    config = uvicorn.Config(
        _ended_well(create_app(services, settings, public_url=serving.public_url)),
        http=protocol(settings),
        ws="none",
        loop="auto",  # uvloop, where there is one
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=max(1, round(settings.keep_alive_seconds)),
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )
    config.load()
    if settings.tls is not None:
        config.ssl = server_context(settings.tls)
    server = _Server(config, signals, on_stop)

    def stop() -> None:
        server.should_exit = True

    until(stop)
    server.run([serving.listening])
