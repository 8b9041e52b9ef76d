"""A reverse proxy that makes the faults of a network and of a busy server, on purpose."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Self

from dicom_common.testing._faults._exchange import Exchange
from dicom_common.testing._faults._http_relay import BrokenMessageError, Peer, read_head
from dicom_common.testing._faults._kinds import Fault, FaultStyle
from dicom_common.testing._faults._rules import Rule, Rules
from dicom_common.testing._services import Endpoint

__all__ = ["FaultProxy"]

_POLL_SECONDS = 0.2
_END_SECONDS = 5.0


class FaultProxy:
    """Listens on a free port of loopback, and hands every request on to a server unless a rule says otherwise.

    Bodies pass piece by piece in both directions. Heads pass as they came, Host included, so that signatures stay
    right; only a Location that names the server is changed to name the proxy. Each connection of a client has its own
    to the server. HTTP/1.1 only.

    Args:
        server: where the real server listens, without TLS.
        style: in whose words errors are told.
        tls: where given, clients talk TLS to the proxy.
        seed: of the random choices.

    Example:
        >>> with FaultProxy(Endpoint("127.0.0.1", 9000), style="s3") as proxy:  # doctest: +SKIP
        ...     proxy.inject(Fault.LOST_ANSWER, method="PUT")
        ...     write_something(str(proxy.endpoint))
        ...     assert proxy.injected[Fault.LOST_ANSWER] == 1
    """

    latency: float = 0.0
    """Seconds that every request waits before it goes on."""
    retry_after: int | None = None
    """Where set, the Retry-After of injected 429 and 503, in seconds."""
    date_skew: timedelta = timedelta(hours=-1)
    """By how much `Fault.WRONG_DATE` changes the Date of an answer."""

    def __init__(
        self, server: Endpoint, *, style: FaultStyle = "plain", tls: ssl.SSLContext | None = None, seed: int = 0
    ) -> None:
        self.server = server
        self.style: FaultStyle = style
        self.tls = tls
        self._rules = Rules(seed)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.settimeout(_POLL_SECONDS)
        self.endpoint = Endpoint(*self._listener.getsockname()[:2])
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._thread.start()

    # Rules

    def inject(
        self,
        *faults: Fault,
        method: str | None = None,
        target: str = "",
        skip: int = 0,
        times: int | None = 1,
        rate: float = 1.0,
    ) -> None:
        """Add a rule. Of several, the first that has a fault for a request decides.

        Args:
            faults: one of them, by chance where there are several.
            method: only requests of this method, such as `PUT`.
            target: a regular expression; only requests in whose path and query it is found.
            skip: let so many of these requests pass before.
            times: how often at most; None: without end.
            rate: how likely each of these requests gets one, 0 to 1.

        Raises:
            ValueError: no fault is given.
        """
        if not faults:
            raise ValueError("inject needs at least one fault")
        pattern = re.compile(target)
        self._rules.add(Rule(faults=faults, method=method, target=pattern, skip=skip, times=times, rate=rate))

    def clear(self) -> None:
        """Forget all rules, and the latency. The counts stay."""
        self._rules.clear()
        self.latency = 0.0

    # Counts

    @property
    def injected(self) -> Counter[Fault]:
        """How often which fault was made."""
        return Counter(self._rules.injected)

    @property
    def requests(self) -> int:
        """How many requests arrived."""
        return self._rules.requests

    @property
    def peak_in_flight(self) -> int:
        """How many requests were under way at the same time, at most."""
        return self._rules.peak_in_flight

    def reset_counts(self) -> None:
        """Begin to count anew."""
        self._rules.reset_counts()

    # Life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop to listen, and cut all connections. A second call does nothing."""
        self._ended.set()
        with suppress(OSError):  # no socket listens after the first call
            socket.create_connection(self.endpoint, timeout=_POLL_SECONDS).close()  # wakes who waits for a client
        self._thread.join(_END_SECONDS)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="fault-proxy", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Serve one connection of a client to its end."""
        connection.settimeout(None)
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
        except OSError:  # a client that does not trust us
            connection.close()
            return
        with self._lock:
            self._connections.add(connection)
        client = Peer(connection)
        exchange = Exchange(client, self.server, self.endpoint, self.style)
        try:
            while head := read_head(client.reader):
                fault = self._rules.begin(head)
                try:
                    if self.latency and self._ended.wait(self.latency):
                        break
                    exchange.retry_after, exchange.date_skew = self.retry_after, self.date_skew
                    if not exchange.run(head, fault):
                        break
                finally:
                    self._rules.end()
        except (OSError, BrokenMessageError, ValueError):  # either side went away: the other one gets an RST
            with suppress(OSError):
                client.reset()
        finally:
            with self._lock:
                self._connections.discard(connection)
            exchange.close()
            with suppress(OSError):
                client.close()
