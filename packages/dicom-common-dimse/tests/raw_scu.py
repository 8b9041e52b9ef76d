"""A peer that writes and reads bare PDUs: what no library would send, and what it would not show."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = [
    "ABORT",
    "ACCEPT",
    "ECHO",
    "EXPLICIT",
    "IMPLICIT",
    "P_DATA",
    "REJECT",
    "RELEASE_RP",
    "RELEASE_RQ",
    "SECONDARY_CAPTURE",
    "RawScu",
    "associate_rq",
    "command",
    "data_set",
    "echo_rq",
    "fragment",
    "item",
    "p_data",
    "pdu",
    "raw_scu",
    "store_rq",
    "uid_of",
]

ACCEPT, REJECT, P_DATA, RELEASE_RP, ABORT = 2, 3, 4, 6, 7
RELEASE_RQ = b"\5\0\0\0\0\4\0\0\0\0"
ECHO, SECONDARY_CAPTURE = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.7"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = ((1, ECHO, (IMPLICIT,)), (3, SECONDARY_CAPTURE, (EXPLICIT,)))


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def associate_rq(
    *,
    calling: str = "CT1",
    called: str = "DICOMCOMMON",
    contexts: Iterable[tuple[int, str, Sequence[str]]] = CONTEXTS,
    version: int = 1,
    application_context: str = "1.2.840.10008.3.1.1.1",
    most: int = 16384,
    user_items: bytes = b"",
    items: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ; `items` stand first."""
    body = struct.pack(">HH16s16s32x", version, 0, called.ljust(16).encode(), calling.ljust(16).encode()) + items
    body += item(0x10, application_context.encode())
    for number, abstract, transfers in contexts:
        syntaxes = b"".join(item(0x40, one.encode()) for one in transfers)
        body += item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract.encode()) + syntaxes)
    return pdu(1, body + item(0x50, item(0x51, struct.pack(">I", most)) + item(0x52, b"1.2.3") + user_items))


def command(elements: dict[int, int | str], *, has_data_set: bool = False) -> bytes:
    """A command set: numbers are US, texts are padded UIDs."""
    body = b""
    for tag, value in sorted({**elements, 0x0800: 0 if has_data_set else 0x0101}.items()):
        data = struct.pack("<H", value) if isinstance(value, int) else value.encode() + b"\0" * (len(value) % 2)
        body += struct.pack("<HHI", 0, tag, len(data)) + data
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def store_rq(sop_uid: str, *, message_id: int = 1, sop_class: str = SECONDARY_CAPTURE, field: int = 1) -> bytes:
    return command({2: sop_class, 0x100: field, 0x110: message_id, 0x700: 0, 0x1000: sop_uid}, has_data_set=True)


def echo_rq(message_id: int = 1) -> bytes:
    asked = command({2: ECHO, 0x100: 0x30, 0x110: message_id})
    return p_data(fragment(1, asked, is_command=True, is_last=True))


def fragment(context: int, data: bytes, *, is_command: bool, is_last: bool) -> bytes:
    """A presentation data value item."""
    return struct.pack(">IBB", len(data) + 2, context, is_command | is_last << 1) + data


def p_data(*fragments: bytes) -> bytes:
    return pdu(P_DATA, b"".join(fragments))


def uid_of(number: int) -> str:
    return f"2.25.16.{number}"


def data_set(number: int, *, study: int = 1, size: int = 64, sop_class: str = SECONDARY_CAPTURE) -> bytes:
    """The data set of an image of 8 bits in Explicit VR Little Endian."""

    def element(tag: int, vr: bytes, value: bytes) -> bytes:
        value += (b"\0" if vr in (b"UI", b"OB") else b" ") * (len(value) % 2)
        head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
        return head + (struct.pack("<xxI", len(value)) if vr == b"OB" else struct.pack("<H", len(value))) + value

    side = max(1, int(size**0.5))
    return b"".join(
        (
            element(0x00080016, b"UI", sop_class.encode()),
            element(0x00080018, b"UI", uid_of(number).encode()),
            element(0x00100020, b"LO", f"P{study}".encode()),
            element(0x0020000D, b"UI", f"2.25.17.{study}".encode()),
            element(0x0020000E, b"UI", f"2.25.18.{study}".encode()),
            element(0x00280002, b"US", struct.pack("<H", 1)),
            element(0x00280004, b"CS", b"MONOCHROME2"),
            element(0x00280010, b"US", struct.pack("<H", side)),
            element(0x00280011, b"US", struct.pack("<H", side)),
            *(element(tag, b"US", struct.pack("<H", value)) for tag, value in _BITS),
            element(0x7FE00010, b"OB", bytes(range(256)) * (side * side // 256) + bytes(side * side % 256)),
        )
    )


_BITS = ((0x00280100, 8), (0x00280101, 8), (0x00280102, 7), (0x00280103, 0))


@dataclass
class RawScu:
    """A connection."""

    connection: socket.socket

    def send(self, *data: bytes) -> None:
        self.connection.sendall(b"".join(data))

    def read(self) -> tuple[int, bytes]:
        """The type and body of the next PDU; type 0 where the connection is closed."""
        head = self._read(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxI", head)
        return kind, self._read(length)

    def associate(self, **options: object) -> tuple[int, bytes]:
        self.send(associate_rq(**options))  # type: ignore[arg-type]  # options of it
        return self.read()

    def response(self) -> dict[int, bytes]:
        """The elements of the next command set, which is whole in a PDU."""
        kind, body = self.read()
        assert kind == P_DATA, (kind, body)
        length, _, control = struct.unpack_from(">IBB", body)
        assert control == 3, "a command, and the last of it"
        data, found, at = body[6 : 4 + length], {}, 0
        while at < len(data):
            group, element, size = struct.unpack_from("<HHI", data, at)
            assert group == 0
            found[element] = data[at + 8 : at + 8 + size]
            at += 8 + size
        return found

    def status(self) -> int:
        return int.from_bytes(self.response()[0x0900], "little")

    def store(self, number: int, *, context: int = 3, size: int = 64) -> int:
        """Store an instance, and return the status."""
        self.send(
            p_data(fragment(context, store_rq(uid_of(number)), is_command=True, is_last=True)),
            p_data(fragment(context, data_set(number, size=size), is_command=False, is_last=True)),
        )
        return self.status()

    def echo(self, message_id: int = 1) -> int:
        self.send(echo_rq(message_id))
        return self.status()

    def begin_store(self, number: int, data: bytes) -> None:
        """Send the request of a C-STORE and the beginning of its data set; return when it is in hand.

        An echo goes before it in the same segment: who has answered that goes on with what it has read already.
        """
        self.send(
            echo_rq(),
            p_data(fragment(3, store_rq(uid_of(number)), is_command=True, is_last=True)),
            p_data(fragment(3, data, is_command=False, is_last=False)),
        )
        assert self.status() == 0

    def is_closed(self) -> bool:
        """Whether the other side closes the connection, without a word."""
        return self.read()[0] == 0

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                piece = self.connection.recv(size - len(data))
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        return data


@contextmanager
def raw_scu(port: int, *, seconds: float = 60) -> Iterator[RawScu]:
    """Connect."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield RawScu(connection)
