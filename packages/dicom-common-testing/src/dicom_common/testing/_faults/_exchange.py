"""One request and its answer on their way through a `FaultProxy`, or what becomes of them instead."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import islice

from dicom_common.testing._faults._http_relay import BrokenMessageError, Head, Peer, body_pieces, read_head
from dicom_common.testing._faults._kinds import ANSWERS, Fault, FaultStyle, answer
from dicom_common.testing._services import Endpoint

__all__ = ["Exchange"]

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 2.0
"""An older connection to the server may be about to be closed by it: a fault that no test asked for."""


class Exchange:
    """A client's connection, and its counterpart to the server."""

    def __init__(self, client: Peer, server: Endpoint, own: Endpoint, style: FaultStyle) -> None:
        self.retry_after: int | None = None
        self.date_skew = timedelta()
        self._client = client
        self._address = server
        self._own = own
        self._style: FaultStyle = style
        self._server: Peer | None = None
        self._used = 0.0

    def close(self) -> None:
        """Close the connection to the server."""
        if self._server is not None:
            with suppress(OSError):
                self._server.close()
            self._server = None

    def run(self, head: Head, fault: Fault | None) -> bool:
        """Do what shall become of a request; tell whether the client's connection can be used for another.

        Raises:
            OSError: one of both went away.
            BrokenMessageError: the same, or it does not speak HTTP/1.
        """
        if fault is Fault.RESET_BEFORE:
            self._client.reset()
            return False
        if fault is Fault.NO_ANSWER:
            while self._client.socket.recv(1 << 16):
                pass  # until the client has had enough
            return False
        if fault is not None and (made_up := ANSWERS[self._style].get(fault)):
            # A client that waits for "100 Continue" may or may not send its body now: what comes next is not known.
            close = _waits(head) or not head.stays_open
            if not close:
                for _ in body_pieces(self._client.reader, head):
                    pass
            is_head = head.method == "HEAD"
            self._client.send(answer(made_up, self._style, retry_after=self.retry_after, head=is_head, close=close))
            return not close
        return self._relay(head, fault)

    # To the server

    def _relay(self, head: Head, fault: Fault | None) -> bool:
        server = self._connected()
        if fault is Fault.RESET_IN_REQUEST and not _has_body(head):
            server.send(bytes(head)[: len(bytes(head)) // 2])
            self._reset_both(server)
            return False
        server.send(bytes(head))
        early = self._continued(server, head) if _waits(head) else None
        stays_open = early is None
        if early is None:
            pieces = body_pieces(self._client.reader, head)
            if fault is Fault.RESET_IN_REQUEST:
                for piece in _half(pieces, head):
                    server.send(piece)
                self._reset_both(server)
                return False
            stays_open = _send_all(server, pieces)
        found = early or self._final_head(server)
        stays_open = self._answer(server, head, found, fault) and stays_open
        if stays_open and found.stays_open:
            self._used = time.monotonic()
        else:
            self.close()
        return stays_open and head.stays_open

    def _connected(self) -> Peer:
        if self._server is not None:
            is_idle = time.monotonic() - self._used < _IDLE_SECONDS
            if not is_idle or select.select([self._server.socket], [], [], 0)[0]:
                self.close()
        if self._server is None:
            connection = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
            connection.settimeout(None)
            self._server = Peer(connection)
        return self._server

    def _reset_both(self, server: Peer) -> None:
        server.reset()
        self._server = None
        self._client.reset()

    def _continued(self, server: Peer, head: Head) -> Head | None:
        """Wait for "100 Continue", hand it on and return None; or return the answer that came instead."""
        found = _answer_head(server)
        if found.status != 100:
            return found
        self._client.send(bytes(found))
        return None if _has_body(head) else self._final_head(server)

    def _final_head(self, server: Peer) -> Head:
        while (found := _answer_head(server)).status < 200:
            self._client.send(bytes(found))
        return found

    # Back to the client

    def _answer(self, server: Peer, head: Head, found: Head, fault: Fault | None) -> bool:
        pieces = body_pieces(server.reader, found, answers=head.method)
        if fault is Fault.LOST_ANSWER:
            for _ in pieces:
                pass
            self._client.reset()
            return False
        shown = self._changed(found, fault)
        if fault in (Fault.RESET_IN_ANSWER, Fault.TRUNCATED_ANSWER):
            if _has_body(found) and head.method != "HEAD":
                self._client.send(bytes(shown))
                for piece in _half(pieces, shown):
                    self._client.send(piece)
            elif fault is Fault.RESET_IN_ANSWER:  # half a head that ends in good order is a whole one to some clients
                self._client.send(bytes(shown)[: len(bytes(shown)) // 2])
            self.close()
            if fault is Fault.RESET_IN_ANSWER:
                self._client.reset()
            return False
        self._client.send(bytes(shown))
        for piece in pieces:
            self._client.send(piece)
        return found.stays_open

    def _changed(self, found: Head, fault: Fault | None) -> Head:
        location, server = found.get("Location"), f"//{self._address}"
        if location and server in location:
            found = found.with_header("Location", location.replace(server, f"//{self._own}", 1))
        if fault is Fault.WRONG_DATE:
            given = found.get("Date")
            date = parsedate_to_datetime(given) if given else datetime.now().astimezone()
            found = found.with_header("Date", format_datetime(date + self.date_skew))
        return found


def _waits(head: Head) -> bool:
    return (head.get("Expect") or "").lower() == "100-continue"


def _has_body(head: Head) -> bool:
    return "chunked" in (head.get("Transfer-Encoding") or "").lower() or (head.get("Content-Length") or "0") != "0"


def _answer_head(server: Peer) -> Head:
    found = read_head(server.reader)
    if found is None:
        raise BrokenMessageError("the server closed the connection without an answer")
    return found


def _send_all(server: Peer, pieces: Iterator[bytes]) -> bool:
    """Send a body. A server may answer before its end, and listen no more: the rest is dropped then, and False told."""
    listens = True
    for piece in pieces:
        if listens and select.select([server.socket], [], [], 0)[0]:
            listens = False
        if listens:
            try:
                server.send(piece)
            except OSError:
                listens = False
    return listens


def _half(pieces: Iterator[bytes], head: Head) -> Iterator[bytes]:
    """Iterate over the first half of a body; of one in chunks, whose length is not known, over half of the first."""
    length = head.get("Content-Length")
    if length is None:
        first = list(islice(pieces, 2))
        yield from first[:-1]
        yield first[-1][: len(first[-1]) // 2]
        return
    left = int(length) // 2
    while left > 0:
        piece = next(pieces)
        yield piece[:left]
        left -= len(piece)
