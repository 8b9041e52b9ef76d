"""Which SOP Instance a refused object says that it is, so that its sender can be told which one was refused."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._file_meta import read_file_meta
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import BIG, IMPLICIT, LONG_VRS, Encoding
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._uid import is_valid_uid
from dicom_common.dicom._window import Window

__all__ = ["BEGINNING", "NamedInstance", "named_instance"]

BEGINNING: Final = 64 << 10
"""Bytes of an object that are enough: the UIDs stand in the first group of the data set."""
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_LONG: Final = frozenset(vr.encode("ascii") for vr in LONG_VRS)
_DEFAULTS: Final = ReaderSettings()


class NamedInstance(NamedTuple):
    """What an object says that it is. It was not read to its end: this is for an answer, and never for an index."""

    sop_class_uid: str
    sop_uid: str


def named_instance(beginning: bytes) -> NamedInstance | None:
    """Return the SOP Class and SOP Instance UID of an object that `read` refused; None where it names none.

    They are those of the data set, (0008,0016) and (0008,0018), which has to have both, each once, and to be undamaged
    up to them. Those of the File Meta Information are not taken in their place, and a deflated data set names none.

    Args:
        beginning: the first bytes of the object, of which up to 65,536 are looked at.
    """
    beginning = beginning[:BEGINNING]
    try:
        meta = read_file_meta(Window(beginning), _DEFAULTS, Findings())
    except DicomError:
        return None
    found = {} if meta.deflated else _uids(beginning, meta.data_set_offset, meta.encoding)
    sop_class, sop_uid = found.get(_SOP_CLASS, ""), found.get(_SOP_INSTANCE, "")
    if is_valid_uid(sop_class) and is_valid_uid(sop_uid):
        return NamedInstance(sop_class, sop_uid)
    return None


def _uids(data: bytes, at: int, encoding: Encoding) -> dict[int, str]:
    """Walk over the elements up to SOP Instance UID."""
    order: Literal["big", "little"] = "big" if encoding == BIG else "little"
    found: dict[int, str] = {}
    last = -1
    while at + 8 <= len(data):
        tag = int.from_bytes(data[at : at + 2], order) << 16 | int.from_bytes(data[at + 2 : at + 4], order)
        if tag <= last:
            return {}  # twice, or out of order: damaged
        if tag > _SOP_INSTANCE:
            break
        begin, length = at + 8, int.from_bytes(data[at + 4 : at + 8], order)
        if encoding != IMPLICIT:
            if data[at + 4 : at + 6] in _LONG:
                begin, length = at + 12, int.from_bytes(data[at + 8 : at + 12], order)
            else:
                length = int.from_bytes(data[at + 6 : at + 8], order)
        if begin + length > len(data):
            break
        if tag in (_SOP_CLASS, _SOP_INSTANCE):
            found[tag] = data[begin : begin + length].rstrip(b"\0 ").decode("ascii", "replace")
        last, at = tag, begin + length
    return found
