"""From explicit to implicit VR little endian (PS3.5 7.1.2, 7.1.3): the heads change, and no value does."""

from __future__ import annotations

import struct
from typing import IO, Final

from dicom_common.core import DicomError
from dicom_common.dicom import Reason

__all__ = ["to_implicit"]

_LONG_VRS: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_UNDEFINED: Final = 0xFFFFFFFF
_TAG: Final = struct.Struct("<HH")
_ITEM_GROUP, _ITEM, _SEQUENCE_END = 0xFFFE, 0xE000, 0xE0DD
_PIECE: Final = 1 << 20


def to_implicit(source: IO[bytes], out: IO[bytes]) -> None:
    """Write a data set in implicit VR little endian.

    Args:
        source: the data set, in explicit VR little endian and with sequences and items of undefined length, as
            `Codecs.transcoded` writes it.
        out: where to.

    Raises:
        DicomError: it is not such a data set.
    """
    implicit_inside = 0
    while head := source.read(8):
        if len(head) < 8:
            raise _malformed()
        group, element = _TAG.unpack_from(head)
        if group == _ITEM_GROUP:
            length = int.from_bytes(head[4:], "little")
            if element == _ITEM and length not in (0, _UNDEFINED):
                raise _malformed()
            out.write(head)
            if implicit_inside and element == _SEQUENCE_END:
                implicit_inside -= 1
            continue
        if implicit_inside:
            length = int.from_bytes(head[4:], "little")
            implicit_inside += length == _UNDEFINED
        elif head[4:6] in _LONG_VRS:
            length = int.from_bytes(_exactly(source, 4), "little")
            # What is in a UN of undefined length is in implicit VR already (PS3.5 6.2.2).
            implicit_inside += head[4:6] == b"UN" and length == _UNDEFINED
        else:
            length = int.from_bytes(head[6:], "little")
        out.write(head[:4] + length.to_bytes(4, "little"))
        if length != _UNDEFINED:
            _copy(source, out, length)


def _copy(source: IO[bytes], out: IO[bytes], length: int) -> None:
    while length:
        piece = _exactly(source, min(length, _PIECE))
        out.write(piece)
        length -= len(piece)


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise _malformed()
    return data


def _malformed() -> DicomError:
    return DicomError(Reason.UNDECODABLE, "The converted data set is not well-formed, and was not sent.")
