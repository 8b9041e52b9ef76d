"""The port: connections are accepted, each is served by a thread, and all end in good order."""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import threading
import time
from contextlib import suppress

from dicom_common.dimse._receiving._connection import Connection
from dicom_common.dimse._receiving._service import Offers, Service
from dicom_common.dimse._receiving._site import Site
from dicom_common.host import server_context

__all__ = ["Listener"]

_log = logging.getLogger(__name__)


class Listener:
    """Accepts connections on a socket that listens already.

    Args:
        site: what associations share.
        services: what is offered.
        listening: the socket; it stays the caller's.
    """

    def __init__(self, site: Site, services: tuple[Service, ...], listening: socket.socket) -> None:
        self._site, self._offers, self._listening = site, Offers(services), listening
        self._tls: ssl.SSLContext | None = server_context(site.settings.tls) if site.settings.tls else None
        self._open: dict[Connection, threading.Thread] = {}
        self._changed = threading.Condition()
        self._waker, self._awake = socket.socketpair()

    def serve(self) -> None:
        """Accept connections until `stop`; return when the open ones have ended, or `shutdown_seconds` are over."""
        self._listening.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            selector.register(self._awake, selectors.EVENT_READ)
            while not self._site.stopping.is_set():
                for key, _ in selector.select():
                    if key.fileobj is self._listening:
                        self._accept()
        self._finish()
        self._waker.close()
        self._awake.close()

    def stop(self) -> None:
        """Accept no more, and end what is open when its requests are answered. From any thread, or a signal handler."""
        self._site.stopping.set()
        with suppress(OSError):  # it has ended already
            self._waker.send(b"x")

    def _accept(self) -> None:
        try:
            accepted, address = self._listening.accept()
        except BlockingIOError:
            return  # another process was faster
        except OSError as error:
            # Too many open files: what is open goes on, and gives some back.
            _log.error("a connection cannot be accepted: %s", error.strerror)
            self._drop_silent()
            time.sleep(0.1)
            return
        accepted.setblocking(True)
        self._make_room()
        connection = Connection(self._site, self._offers, accepted, address[0], self._tls)
        thread = threading.Thread(target=self._run, args=(connection,), name="dicom-common-association", daemon=True)
        with self._changed:
            self._open[connection] = thread
        try:
            thread.start()
        except RuntimeError:
            _log.error("a connection cannot be served: the system cannot start another thread")
            accepted.close()
            self._forget(connection)

    def _run(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            self._open.pop(connection, None)
            self._changed.notify_all()

    def _make_room(self) -> None:
        """Where there are too many connections, close one that is silent."""
        with self._changed:
            is_full = len(self._open) >= self._site.settings.max_connections
        if is_full:
            self._drop_silent()

    def _drop_silent(self) -> None:
        """Close the connection that was without an association longest."""
        with self._changed:
            silent = next((one for one in self._open if not (one.is_associated or one.is_broken_off)), None)
        if silent is not None:
            silent.break_off()

    def _finish(self) -> None:
        end = time.monotonic() + self._site.settings.shutdown_seconds
        with self._changed:
            for connection in self._open:
                connection.stop()
            while self._open and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.2))
                for connection in self._open:
                    connection.stop()  # one that was answering then is idle now
            if self._open:
                _log.warning("%d associations were aborted at shutdown", len(self._open))
