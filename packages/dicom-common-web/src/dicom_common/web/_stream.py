"""An answer that is sent while it is read: constant memory, whatever its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dicom_common.web._lanes import Lane, pieces

__all__ = ["Stream"]


class Stream(Response):
    """Sends bytes whose iterator blocks, from a lane's threads, until the end or until the client goes away.

    An error in the middle breaks the connection off: a client must never take a part for the whole.

    Args:
        lane: whose threads read.
        chunks: the body; closed at the end.
        headers: of the answer, with the content type.
        send_seconds: how long the client may take for a piece, of a MiB at most.
        status_code: of HTTP.
    """

    def __init__(
        self,
        lane: Lane,
        chunks: Iterator[bytes],
        headers: Mapping[str, str],
        *,
        send_seconds: float,
        status_code: int = 200,
    ) -> None:
        super().__init__(None, status_code, dict(headers))
        if "content-length" not in headers:
            # What an empty body would have; the server sends this one in chunks (RFC 9112 7.1).
            self.raw_headers = [one for one in self.raw_headers if one[0] != b"content-length"]
        self._lane, self._chunks, self._send_seconds = lane, pieces(chunks), send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            if scope["method"] == "HEAD":
                await self._lane.close_iterator(self._chunks)
            else:
                async for piece in self._lane.iterate(self._chunks):
                    with anyio.move_on_after(self._send_seconds) as limit:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if limit.cancelled_caught:
                        break_off(scope)
            await send({"type": "http.response.body", "body": b""})
            tasks.cancel_scope.cancel()


def break_off(scope: Scope) -> None:
    """Break the connection off, with what waits to be sent: its client does not read.

    Raises:
        TimeoutError: the server is not ours; the error is what breaks the answer off.
    """
    abort = scope.get("extensions", {}).get("dicom_common.abort")
    if abort is None:
        raise TimeoutError("the client took too long for a piece of an answer")
    abort()


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
