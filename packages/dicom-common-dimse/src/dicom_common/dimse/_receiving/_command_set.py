"""Command sets (PS3.7 6.3, annex E): group 0000, always in Implicit VR Little Endian."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from dicom_common.dimse._receiving._pdu import ProtocolError

__all__ = ["NO_DATA_SET", "Command", "Operation", "Tag", "encode_command", "parse_command"]

NO_DATA_SET: Final = 0x0101
_A_DATA_SET: Final = 0x0000


class Operation(IntEnum):
    """Values of Command Field (0000,0100); a response has the bit 8000 beside that of its request."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130
    C_CANCEL = 0x0FFF
    RESPONSE = 0x8000


class Tag(IntEnum):
    """Elements of command sets, by their element number: the group is 0000."""

    AFFECTED_SOP_CLASS = 0x0002
    REQUESTED_SOP_CLASS = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE = 0x1000
    REQUESTED_SOP_INSTANCE = 0x1001
    EVENT_TYPE = 0x1002
    ACTION_TYPE = 0x1008
    REMAINING = 0x1020
    COMPLETED = 0x1021
    FAILED = 0x1022
    WARNING = 0x1023
    MOVE_ORIGINATOR = 0x1030
    MOVE_ORIGINATOR_ID = 0x1031


_UIDS: Final = frozenset(
    (Tag.AFFECTED_SOP_CLASS, Tag.REQUESTED_SOP_CLASS, Tag.AFFECTED_SOP_INSTANCE, Tag.REQUESTED_SOP_INSTANCE)
)
_HEAD: Final = struct.Struct("<HHI")
Value = int | str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command set that was received."""

    elements: Mapping[int, bytes]

    def number(self, tag: Tag) -> int | None:
        """Return the value of a US element; None where it is not there, or not of two bytes."""
        value = self.elements.get(tag, b"")
        return int.from_bytes(value, "little") if len(value) == 2 else None

    def text(self, tag: Tag) -> str:
        """Return a UID, an AE title or a text without its padding; "" where it is not there."""
        return self.elements.get(tag, b"").decode("ascii", "replace").strip(" \0")

    @property
    def field(self) -> int:
        """Command Field."""
        return self.number(Tag.COMMAND_FIELD) or 0

    @property
    def message_id(self) -> int:
        """Message ID."""
        return self.number(Tag.MESSAGE_ID) or 0

    @property
    def is_response(self) -> bool:
        """Whether it is a response."""
        return bool(self.field & Operation.RESPONSE)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows."""
        return self.number(Tag.DATA_SET_TYPE) != NO_DATA_SET


def parse_command(data: bytes | bytearray) -> Command:
    """Parse a command set.

    Raises:
        ProtocolError: it is not a valid command set.
    """
    elements: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        if at + 8 > end:
            raise ProtocolError("a command set is cut off")
        group, element, length = _HEAD.unpack_from(data, at)
        at += 8
        if group != 0 or at + length > end:
            raise ProtocolError("a command set is not in Implicit VR Little Endian, or is cut off")
        elements[element] = bytes(data[at : at + length])
        at += length
    command = Command(elements)
    # C-CANCEL has the id of what it cancels, as a response has.
    names = Tag.RESPONDED_TO if command.is_response or command.field == Operation.C_CANCEL else Tag.MESSAGE_ID
    if any(command.number(tag) is None for tag in (Tag.COMMAND_FIELD, Tag.DATA_SET_TYPE, names)):
        raise ProtocolError("a command set has no Command Field, Command Data Set Type or Message ID")
    return command


def encode_command(values: Mapping[Tag, Value], *, has_data_set: bool = False) -> bytes:
    """Return the bytes of a command set: numbers are US, tuples are AT, texts are UIDs or padded by a space."""
    all_values: dict[Tag, Value] = {**values, Tag.DATA_SET_TYPE: _A_DATA_SET if has_data_set else NO_DATA_SET}
    parts = []
    for tag in sorted(all_values):
        data = _encoded(tag, all_values[tag])
        parts += [_HEAD.pack(0, tag, len(data)), data]
    body = b"".join(parts)
    return _HEAD.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def _encoded(tag: Tag, value: Value) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(2, "little")
    if isinstance(value, tuple):
        return b"".join(struct.pack("<HH", one >> 16, one & 0xFFFF) for one in value)
    data = value.encode("ascii", "replace")
    return data + (b"\0" if tag in _UIDS else b" ") * (len(data) % 2)
