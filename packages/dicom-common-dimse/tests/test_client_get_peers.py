"""C-GET from peers that break rules or break off: what arrived is told, and one bad request harms no other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from raw_scu import (
    EXPLICIT,
    P_DATA,
    RELEASE_RP,
    SECONDARY_CAPTURE,
    command,
    data_set,
    fragment,
    item,
    p_data,
    pdu,
    store_rq,
    uid_of,
)

from dicom_common.core import UnavailableError
from dicom_common.dimse import Destination
from dicom_common.dimse._calling._retrieving import Wanted, get
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Result

_GET = "1.2.840.10008.5.1.4.1.2.2.3"
_STORED = 0xB007
"""With warnings: the made data set has few attributes."""


class _Peer:
    """A connection to a client that has asked for a C-GET."""

    def __init__(self, connection: socket.socket, file: BinaryIO) -> None:
        self._connection, self._file = connection, file
        _, request = self.read()
        self.contexts: dict[bytes, int] = {}
        accepted = b""
        for kind, value in _items(request[68:]):
            if kind == 0x20:
                inner = list(_items(value[4:]))
                syntaxes = [one for at, one in inner if at == 0x40]
                chosen = EXPLICIT.encode() if EXPLICIT.encode() in syntaxes else syntaxes[0]
                self.contexts[inner[0][1]] = value[0]
                accepted += item(0x21, bytes((value[0], 0, 0, 0)) + item(0x40, chosen))
        information = item(0x50, item(0x51, b"\0\0\x40\0") + item(0x52, b"1.2.3"))
        self.send(pdu(2, request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + accepted + information))
        while self.read()[1][5] != 2:  # the last fragment of the identifier
            pass

    def read(self) -> tuple[int, bytes]:
        head = self._file.read(6)
        if len(head) < 6:
            raise EOFError
        return head[0], self._file.read(int.from_bytes(head[2:], "big"))

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def store(self, request: bytes, data: bytes) -> int:
        """Send a C-STORE request, and return the status of its response."""
        context = self.contexts[SECONDARY_CAPTURE.encode()]
        self.send(p_data(fragment(context, request, is_command=True, is_last=True)))
        for at in range(0, len(data), 8000):
            piece = fragment(context, data[at : at + 8000], is_command=False, is_last=at + 8000 >= len(data))
            self.send(p_data(piece))
        kind, answer = self.read()
        assert kind == P_DATA
        at = answer.index(b"\0\0\0\x09\2\0\0\0") + 8
        return int.from_bytes(answer[at : at + 2], "little")

    def end(self) -> None:
        """Answer the C-GET, and the release."""
        response = command({2: _GET, 0x100: 0x8010, 0x120: 1, 0x900: 0})
        self.send(p_data(fragment(self.contexts[_GET.encode()], response, is_command=True, is_last=True)))
        self.read()
        self.send(pdu(RELEASE_RP, b"\0\0\0\0"))


def _items(body: bytes) -> Iterator[tuple[int, bytes]]:
    while body:
        length = int.from_bytes(body[2:4], "big")
        yield body[0], body[4 : 4 + length]
        body = body[4 + length :]


@contextmanager
def _peer(answer: Callable[[_Peer], None]) -> Iterator[Destination]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as file, suppress(EOFError, ConnectionError):
                answer(_Peer(connection, file))

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        yield Destination(name="raw", ae_title="RAW", calling_ae_title="US", host="127.0.0.1", port=port)
        thread.join(30)
        assert not thread.is_alive()


def _wanted(numbers: Sequence[int]) -> Wanted:
    classes = {uid_of(number): SECONDARY_CAPTURE for number in numbers}
    return Wanted(study_uid="2.25.17.1", series_uid="2.25.18.1", classes=classes, is_whole_series=True)


@contextmanager
def _taking(folder: Path) -> Iterator[Callable[[Received], Result]]:
    with Services.from_file(overrides={"data": str(folder)}) as services, Ingest(services) as ingest:

        def take(received: Received) -> Result:
            (result,) = ingest.store([received], tenant="local")
            return result

        yield take


def test_what_arrived_is_told_though_the_peer_breaks_off_without_any_pending_response(tmp_path: Path) -> None:
    def answer(peer: _Peer) -> None:
        for number in (1, 2):
            assert peer.store(store_rq(uid_of(number)), data_set(number)) == _STORED

    told: list[tuple[str, str]] = []
    with _peer(answer) as destination, _taking(tmp_path) as take, pytest.raises(UnavailableError):
        told.extend((sop_uid, result.status) for sop_uid, result in get(destination, _wanted((1, 2, 3)), take))
    assert told == [(uid_of(1), "stored"), (uid_of(2), "stored")]


@pytest.mark.parametrize(("sop_uid", "sop_class", "status"), [
    ("1.2.\xe9", SECONDARY_CAPTURE, 0x0117),
    ("", SECONDARY_CAPTURE, 0x0117),
    ("1." * 40 + "1", SECONDARY_CAPTURE, 0x0117),
    (uid_of(1), "1.2.840.10008.5.1.4.1.1.2", 0x0122),
    (uid_of(1), "", 0x0122),
    (uid_of(1), "\xff", 0x0122),
])  # fmt: skip
def test_a_store_request_that_names_no_instance_is_answered_so_and_the_next_one_comes_through(
    tmp_path: Path, sop_uid: str, sop_class: str, status: int
) -> None:
    statuses = []

    def answer(peer: _Peer) -> None:
        statuses.append(peer.store(store_rq(sop_uid, sop_class=sop_class), data_set(1)))
        statuses.append(peer.store(store_rq(uid_of(2)), data_set(2)))
        peer.end()

    with _peer(answer) as destination, _taking(tmp_path) as take:
        told = [(uid, result.status) for uid, result in get(destination, _wanted((1, 2)), take)]
    assert told == [(uid_of(2), "stored")]
    assert statuses == [status, _STORED]
