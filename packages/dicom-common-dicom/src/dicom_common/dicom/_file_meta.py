"""Preamble and File Meta Information (PS3.10 7.1), and what to do where they are missing or wrong."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._heads import BIG, EXPLICIT, IMPLICIT, LONG_VRS, VRS, Encoding
from dicom_common.dicom._look_ahead import FAR, GLANCE, MOST, PLAUSIBLE, Ahead, Inside, chain, is_plain, look
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._uid import is_valid_uid
from dicom_common.dicom._window import Window

__all__ = ["FileMeta", "read_file_meta"]

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
_SHORT_VR_BYTES = frozenset(vr.encode() for vr in VRS - LONG_VRS)
_LONG_VR_BYTES = frozenset(vr.encode() for vr in LONG_VRS)
_MOST_META = 1 << 20
"""Bytes that a File Meta Information may have."""
_LOWEST_FIRST_GROUP, _HIGHEST_FIRST_GROUP = 0x0004, 0x0040
"""The groups that a data set may begin with, where nothing else says that it is one."""
_TRANSFER_SYNTAX = 0x00020010
_META = 0x00020000
_START = Struct("<HH2sH").unpack_from


class FileMeta(NamedTuple):
    """What the File Meta Information says, completed by what the data set looks like."""

    transfer_syntax_uid: str
    encoding: Encoding
    deflated: bool
    data_set_offset: int
    sop_uid: str
    """Media Storage SOP Instance UID (0002,0003), `""` where it is absent."""


def _scores(window: Window, position: int) -> dict[Encoding, int]:
    """Tell how plausible a data set at `position` is in each encoding."""
    ahead = look(window, position)
    return {encoding: _score(ahead, position, encoding) for encoding in (EXPLICIT, IMPLICIT, BIG)}


def _score(ahead: Ahead, position: int, encoding: Encoding) -> int:
    return chain(ahead, position, -1, Inside(encoding, FAR, open_item=False, nested=False))


def _best(window: Window, position: int, declared: Encoding | None = None) -> Encoding | None:
    """Tell how the data set at `position` is encoded: as declared, where that fits; None if it looks like nothing.

    Raises:
        DicomError: it looks like two things equally.
    """
    if declared is not None:
        if is_plain(look(window, position, GLANCE), position, declared):
            return declared
        ahead = look(window, position)
        if _score(ahead, position, declared) >= MOST:
            return declared
        if declared is EXPLICIT and _fits_behind_first(ahead, position):
            return declared
    scores = _scores(window, position)
    most = max(scores.values())
    if declared is not None and scores[declared] == most:
        return declared
    if most < PLAUSIBLE:
        return None
    best = [encoding for encoding, score in scores.items() if score == most]
    if len(best) > 1:
        # A data set begins with a low group, so the byte order with the lowest number is the true one.
        groups = {encoding: _group(window, position, encoding) for encoding in best}
        best = [encoding for encoding in best if groups[encoding] == min(groups.values())]
    if len(best) > 1:
        raise DicomError(
            Reason.AMBIGUOUS,
            "The data set can be read in more than one transfer syntax, and the File Meta names none that fits; "
            "ask the sender to correct (0002,0010).",
        )
    return best[0]


def _fits_behind_first(ahead: Ahead, position: int) -> bool:
    """Tell whether explicit VR fits behind the first element, which lacks its VR."""
    at = position - ahead.base
    end = position + 8 + int.from_bytes(ahead.buffer[at + 4 : at + 8], "little")
    return end + 8 <= ahead.limit and is_plain(ahead, end, EXPLICIT)


def _group(window: Window, position: int, encoding: Encoding) -> int:
    return int.from_bytes(_bytes_at(window, position, 2), "big" if encoding == BIG else "little")


def read_file_meta(window: Window, settings: ReaderSettings, findings: Findings) -> FileMeta:
    """Read what precedes the data set, by this order of tolerance.

    `DICM` behind 128 bytes; `DICM` at the start; a File Meta group at the start; no File Meta: the data set's first
    element tells its encoding. A transfer syntax that is missing or contradicts the data set is replaced by what is
    found there.

    Raises:
        DicomError: this is no DICOM, a media directory, or of a transfer syntax that the settings refuse.
    """
    head = _bytes_at(window, 0, 144)
    if not head:
        raise DicomError(Reason.EMPTY, "There are no bytes; ask the sender for a new copy.")
    if head[128:132] == b"DICM":
        start = 132
    else:
        start = 4 if head[:4] == b"DICM" else 0
        if not start and not _is_meta(window):
            return _without_meta(window, findings)
        findings.add([], Rule.NO_PREAMBLE, "read from the File Meta on")
    values, position = _walk(window, start, findings)
    sop_class = _uid(values.get(0x0002, b""))
    if sop_class == _MEDIA_DIRECTORY:
        raise DicomError(
            Reason.MEDIA_DIRECTORY, "The file is a DICOMDIR, which holds no instance; ingest the files that it names."
        )
    declared = _uid(values.get(0x0010, b""))
    if not _bytes_at(window, position, 1):
        raise DicomError(Reason.TRUNCATED, "There is no data set behind the File Meta; ask the sender for a new copy.")
    return _resolve(window, declared, position, settings, findings)._replace(sop_uid=_uid(values.get(0x0003, b"")))


def _is_meta(window: Window) -> bool:
    """Tell whether a File Meta begins at the first byte, in explicit VR or, which is wrong, in implicit VR."""
    head = _bytes_at(window, 0, 12)
    if head[:2] != b"\2\0":
        return False
    return head[4:6] in _VR_BYTES or _score(look(window, 0), 0, IMPLICIT) >= PLAUSIBLE


def _without_meta(window: Window, findings: Findings) -> FileMeta:
    low = range(_LOWEST_FIRST_GROUP, _HIGHEST_FIRST_GROUP + 1)
    is_one = any(_group(window, 0, encoding) in low for encoding in (EXPLICIT, BIG))
    encoding = _best(window, 0) if is_one else None
    if encoding is None or _group(window, 0, encoding) not in low:
        raise DicomError(
            Reason.NOT_DICOM,
            "This is not DICOM: neither the letters DICM at byte 128 nor a data set at the start; leave the file out.",
        )
    findings.add([], Rule.NO_FILE_META, "told the transfer syntax from the data set")
    return FileMeta(_UIDS[encoding], encoding, deflated=False, data_set_offset=0, sop_uid="")


def _walk(window: Window, start: int, findings: Findings) -> tuple[dict[int, bytes], int]:  # noqa: C901  # one loop, whose calls would cost as much as it does
    """Take the elements of group 0002, each tag once, and tell where they end.

    They end where the group length says, if elements and group length agree; else at the first element of another group
    or of a tag that is not above the one before. Where no data set begins there, but one does where the group length
    says, that is believed.

    Raises:
        DicomError: an element is longer than what is left, or than a File Meta may be.
    """
    values: dict[int, bytes] = {}
    position, last, declared_end, whole = start, -1, -1, True
    buffer, base = window.buffer, window.base
    while True:
        if position + 12 > base + len(buffer):
            window.move(position, 12)
            buffer, base = window.buffer, window.base
            if position + 8 > base + len(buffer):
                break
        group, element, letters, length = _START(buffer, position - base)
        # Out of order, an element is one of the data set; unless the File Meta would lack what it is there for.
        if group != 2 or (element <= last and 0x0010 in values):
            break
        begin = position + 8
        if letters not in _SHORT_VR_BYTES:
            begin, length = _element(window, position, buffer[position - base : position - base + 12], findings)
        value = buffer[begin - base : begin - base + length]
        if len(value) < length or begin + length > start + _MOST_META:
            whole = begin + length <= start + _MOST_META and len(value := _bytes_at(window, begin, length)) == length
            if not whole:
                break
            buffer, base = window.buffer, window.base
        values.setdefault(element, value)
        if not element and last < 0 and length == 4:
            declared_end = begin + length + int.from_bytes(value, "little")
        last, position = element, begin + length
    if position != declared_end:
        findings.add([_META], Rule.GROUP_LENGTH, "went by the elements")
        behind = position < declared_end <= start + _MOST_META
        ahead = look(window, position)
        if behind and not _begins(ahead, position) and _begins(ahead, declared_end):
            return values, declared_end
    if not whole:
        raise DicomError(Reason.TRUNCATED, "A length in the File Meta exceeds the file; ask the sender for a new copy.")
    return values, position


def _begins(ahead: Ahead, position: int) -> bool:
    """Tell whether a data set may begin at `position`, in whatever encoding."""
    return any(_score(ahead, position, encoding) >= PLAUSIBLE for encoding in (EXPLICIT, IMPLICIT, BIG))


def _element(window: Window, position: int, head: bytes, findings: Findings) -> tuple[int, int]:
    """Give the place of an element's value and its length, whether it has a VR or not (PS3.10 7.1 wants one)."""
    letters = head[4:6]
    if letters in _LONG_VR_BYTES:
        return position + 12, int.from_bytes(head[8:12], "little")
    short = int.from_bytes(head[6:8], "little")
    findings.add([_META], Rule.UNKNOWN_VR, "went by the length")
    length, ahead = int.from_bytes(head[4:8], "little"), look(window, position)
    ends = [position + 8 + length, position + 8 + short]
    scores = [max(_score(ahead, end, encoding) for encoding in (EXPLICIT, IMPLICIT, BIG)) for end in ends]
    return position + 8, length if scores[0] >= scores[1] else short


def _bytes_at(window: Window, position: int, size: int) -> bytes:
    window.move(position, size)
    at = position - window.base
    return window.buffer[at : at + size]


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").strip(b" ").decode("ascii", "replace")


def _resolve(window: Window, declared: str, position: int, settings: ReaderSettings, findings: Findings) -> FileMeta:
    if declared in _DEFLATED:
        # A data set that begins with plain elements was not deflated.
        plain = _score(look(window, position), position, EXPLICIT) >= 2 * PLAUSIBLE
        if plain:
            findings.add([_TRANSFER_SYNTAX], Rule.TRANSFER_SYNTAX, "read as not deflated")
        return FileMeta(declared, EXPLICIT, not plain, position, "")
    if not declared:
        looks = _best(window, position)
        if looks is None:
            raise DicomError(
                Reason.UNDECODABLE, "The File Meta names no transfer syntax, and none fits; ask the sender to add it."
            )
        findings.add([_TRANSFER_SYNTAX], Rule.NO_TRANSFER_SYNTAX, "told it from the data set")
        return FileMeta(_UIDS[looks], looks, deflated=False, data_set_offset=position, sop_uid="")
    if declared not in _ENCODINGS and not (declared.startswith(_STANDARD) and is_valid_uid(declared, strict=False)):
        if not settings.accept_unknown_transfer_syntaxes or not is_valid_uid(declared, strict=False):
            raise DicomError(
                Reason.UNKNOWN_TRANSFER_SYNTAX,
                "The transfer syntax is not of the standard; set reader.accept_unknown_transfer_syntaxes to read it.",
            )
        findings.add([_TRANSFER_SYNTAX], Rule.UNKNOWN_TRANSFER_SYNTAX, "read as explicit VR little endian")
    encoding = _ENCODINGS.get(declared, EXPLICIT)
    looks = _best(window, position, encoding)
    if looks is None or looks == encoding:
        return FileMeta(declared, encoding, deflated=False, data_set_offset=position, sop_uid="")
    findings.add([_TRANSFER_SYNTAX], Rule.TRANSFER_SYNTAX, "read the data set as what it looks like")
    # The declared UID stays where it says more than the encoding: that of encapsulated pixel data.
    uid = _UIDS[looks] if declared in _ENCODINGS else declared
    return FileMeta(uid, looks, deflated=False, data_set_offset=position, sop_uid="")
