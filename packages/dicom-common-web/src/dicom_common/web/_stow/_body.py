"""The body of a request as it arrives, within the limits of size and time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import anyio
from starlette.requests import ClientDisconnect, Request

from dicom_common.web._errors import HttpError
from dicom_common.web._settings import WebSettings

__all__ = ["body_of"]


async def body_of(request: Request, settings: WebSettings) -> AsyncIterator[bytes]:
    """Iterate over the pieces of a body; an empty one is left out.

    Raises:
        HttpError: 408, it comes too slowly; 413, it is too large; 415, it is compressed.
        ClientDisconnect: it ends early.
    """
    _check_head(request, settings)
    size, begin = 0, time.monotonic()
    more = True
    while more:
        # Not `fail_after`, which takes three times as long, for each piece.
        with anyio.CancelScope(deadline=anyio.current_time() + settings.receive_seconds) as limit:
            message = await request.receive()
        if limit.cancelled_caught:
            raise _too_slow()
        if message["type"] != "http.request":
            raise ClientDisconnect
        more, piece = message.get("more_body", False), message.get("body", b"")
        size += len(piece)
        if size > settings.max_request_bytes:
            raise _too_large(settings)
        beyond = time.monotonic() - begin - settings.receive_seconds
        if more and beyond > 0 and size < beyond * settings.min_rate:
            raise _too_slow()
        if piece:
            yield piece


def _check_head(request: Request, settings: WebSettings) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > settings.max_request_bytes:
        raise _too_large(settings)
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
        raise HttpError(
            415, "The body is compressed: send it without Content-Encoding.", {"accept-encoding": "identity"}
        )


def _too_large(settings: WebSettings) -> HttpError:
    return HttpError(
        413, f"The body is larger than {settings.max_request_bytes} bytes: send fewer instances in a request."
    )


def _too_slow() -> HttpError:
    return HttpError(408, "The body arrived too slowly: send the request again.", {"connection": "close"})
