"""Preamble and File Meta Information (PS3.10 7.1), and what to do where they are missing or wrong."""

from __future__ import annotations

from typing import NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import BIG, EXPLICIT, IMPLICIT, VRS, Encoding
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._uid import is_valid_uid
from dicom_common.dicom._window import Window

__all__ = ["FileMeta", "read_file_meta", "sniff"]

_IMPLICIT_UID = "1.2.840.10008.1.2"
_EXPLICIT_UID = "1.2.840.10008.1.2.1"
_BIG_UID = "1.2.840.10008.1.2.2"
_DEFLATED_UID = "1.2.840.10008.1.2.1.99"
# JPIP Referenced Deflate and JPIP HTJ2K Referenced Deflate: their data sets are deflated like those of the one above.
_DEFLATED = frozenset((_DEFLATED_UID, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))
_ENCODINGS = {_IMPLICIT_UID: IMPLICIT, _EXPLICIT_UID: EXPLICIT, _BIG_UID: BIG}
_UIDS = {encoding: uid for uid, encoding in _ENCODINGS.items()}
_STANDARD = "1.2.840.10008.1.2"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"

_VR_BYTES = frozenset(vr.encode() for vr in VRS)
_LONG_VR_BYTES = frozenset(vr.encode() for vr in ("OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UR", "UT", "UN"))
_MOST_META = 1 << 20
"""Bytes of a File Meta Information that are looked at where the size of the whole is not known."""
_LOWEST_FIRST_GROUP, _HIGHEST_FIRST_GROUP = 0x0004, 0x0040
"""The groups that a data set may begin with, where nothing else says that it is one."""


class FileMeta(NamedTuple):
    """What the File Meta Information says, completed by what the data set looks like."""

    transfer_syntax_uid: str
    encoding: Encoding
    deflated: bool
    data_set_offset: int
    sop_uid: str
    """Media Storage SOP Instance UID (0002,0003), `""` where it is absent."""


def sniff(head: bytes, *, size: int | None, known: bool) -> Encoding | None:
    """Tell how the data set that begins with `head` is encoded; None if it does not look like one.

    Args:
        head: its first bytes, at least 12.
        size: how many bytes it has, if that is known.
        known: whether something else says that a data set is here, so that its first group may be any.
    """
    if len(head) < 8:
        return None
    little, big = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
    letters = head[4:6]
    if letters in _VR_BYTES:
        # A data set begins with a low group, so the byte order with the lower number is the true one.
        encoding, group = (EXPLICIT, little) if little <= big else (BIG, big)
        return encoding if known or _LOWEST_FIRST_GROUP <= group <= _HIGHEST_FIRST_GROUP else None
    if letters.isalpha() and letters.isupper():
        # As a length these two letters would make a first value of more than 16 kB: they are a VR that is none.
        return EXPLICIT if known else None
    length = int.from_bytes(head[4:8], "little")
    fits = length == 0xFFFFFFFF or (length <= size if size is not None else length < 1 << 20)
    if fits and little <= _HIGHEST_FIRST_GROUP and (known or (little >= _LOWEST_FIRST_GROUP and little & 1 == 0)):
        return IMPLICIT
    return None


def read_file_meta(window: Window, settings: ReaderSettings, findings: Findings) -> FileMeta:
    """Read what precedes the data set, by this order of tolerance.

    `DICM` behind 128 bytes; `DICM` at the start; a File Meta group at the start; no File Meta: the data set's first
    element tells its encoding. A transfer syntax that is missing or contradicts the data set is replaced by what is
    found there.

    Raises:
        DicomError: this is no DICOM, a media directory, or of a transfer syntax that the settings refuse.
    """
    window.move(0, 144)
    head = window.buffer[:144]
    if not head:
        raise DicomError(Reason.EMPTY, "There are no bytes; ask the sender for a new copy.")
    if head[128:132] == b"DICM":
        start = 132
    elif head[:4] == b"DICM":
        start = 4
        findings.add([], Rule.NO_PREAMBLE, "read from the File Meta on")
    elif head[:2] == b"\2\0" and head[4:6] in _VR_BYTES:
        start = 0
        findings.add([], Rule.NO_PREAMBLE, "read from the File Meta on")
    else:
        return _without_meta(window, findings)
    values, position = _walk(window, start, findings)
    sop_class = _uid(values.get(0x0002, b""))
    if sop_class == _MEDIA_DIRECTORY:
        raise DicomError(
            Reason.MEDIA_DIRECTORY, "The file is a DICOMDIR, which holds no instance; ingest the files that it names."
        )
    declared = _uid(values.get(0x0010, b""))
    window.move(position, 144)
    if position >= window.base + len(window.buffer):
        raise DicomError(Reason.TRUNCATED, "There is no data set behind the File Meta; ask the sender for a new copy.")
    return _resolve(window, declared, position, settings, findings)._replace(sop_uid=_uid(values.get(0x0003, b"")))


def _without_meta(window: Window, findings: Findings) -> FileMeta:
    encoding = sniff(window.buffer[:16], size=window.size, known=False)
    if encoding is None:
        raise DicomError(
            Reason.NOT_DICOM,
            "This is not DICOM: neither the letters DICM at byte 128 nor a data set at the start; leave the file out.",
        )
    findings.add([], Rule.NO_FILE_META, "told the transfer syntax from the data set")
    return FileMeta(_UIDS[encoding], encoding, deflated=False, data_set_offset=0, sop_uid="")


def _walk(window: Window, start: int, findings: Findings) -> tuple[dict[int, bytes], int]:
    """Take the elements of group 0002 up to the first of another group, whatever the group length says."""
    values: dict[int, bytes] = {}
    position = start
    limit = start + _MOST_META if window.size is None else window.size
    while True:
        head = _bytes_at(window, position, 12)
        if len(head) < 8 or head[:2] != b"\2\0":
            break
        letters = head[4:6]
        if letters in _LONG_VR_BYTES:
            begin, length = position + 12, int.from_bytes(head[8:12], "little")
        elif letters in _VR_BYTES:
            begin, length = position + 8, int.from_bytes(head[6:8], "little")
        else:
            begin, length = position + 8, int.from_bytes(head[4:8], "little")
            if begin + length > limit:
                length = int.from_bytes(head[6:8], "little")
            findings.add([0x00020000], Rule.UNKNOWN_VR, "went by the length")
        value = _bytes_at(window, begin, length) if begin + length <= limit else b""
        if len(value) < length:
            raise DicomError(
                Reason.TRUNCATED, "A length in the File Meta exceeds the file; ask the sender for a new copy."
            )
        values[int.from_bytes(head[2:4], "little")] = value
        position = begin + length
    declared = values.get(0)
    first = start + 12
    if declared is None or len(declared) != 4 or first + int.from_bytes(declared, "little") != position:
        findings.add([0x00020000], Rule.GROUP_LENGTH, "went by the elements")
    return values, position


def _bytes_at(window: Window, position: int, size: int) -> bytes:
    window.move(position, size)
    at = position - window.base
    return window.buffer[at : at + size]


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").strip(b" ").decode("ascii", "replace")


def _resolve(window: Window, declared: str, position: int, settings: ReaderSettings, findings: Findings) -> FileMeta:
    at = position - window.base
    head = window.buffer[at : at + 16]
    size = None if window.size is None else window.size - position
    if declared in _DEFLATED:
        # A data set that begins with a plain element was not deflated.
        plain = head[:2] in (b"\x08\0", b"\2\0") and head[4:6] in _VR_BYTES
        if plain:
            findings.add([0x00020010], Rule.TRANSFER_SYNTAX, "read as not deflated")
        return FileMeta(declared, EXPLICIT, not plain, position, "")
    encoding = _ENCODINGS.get(declared, EXPLICIT)
    looks = sniff(head, size=size, known=True)
    if not declared:
        if looks is None:
            raise DicomError(
                Reason.UNDECODABLE, "The File Meta names no transfer syntax, and none fits; ask the sender to add it."
            )
        findings.add([0x00020010], Rule.NO_TRANSFER_SYNTAX, "told it from the data set")
        return FileMeta(_UIDS[looks], looks, deflated=False, data_set_offset=position, sop_uid="")
    if not declared.startswith(_STANDARD) or not is_valid_uid(declared, strict=False):
        if not settings.accept_unknown_transfer_syntaxes or not is_valid_uid(declared, strict=False):
            raise DicomError(
                Reason.UNKNOWN_TRANSFER_SYNTAX,
                "The transfer syntax is not of the standard; set reader.accept_unknown_transfer_syntaxes to read it.",
            )
        findings.add([0x00020010], Rule.UNKNOWN_TRANSFER_SYNTAX, "read as explicit VR little endian")
    if looks is None or looks == encoding:
        return FileMeta(declared, encoding, deflated=False, data_set_offset=position, sop_uid="")
    findings.add([0x00020010], Rule.TRANSFER_SYNTAX, "read the data set as what it looks like")
    # The declared UID stays where it says more than the encoding: that of encapsulated pixel data.
    uid = _UIDS[looks] if declared in _ENCODINGS else declared
    return FileMeta(uid, looks, deflated=False, data_set_offset=position, sop_uid="")
