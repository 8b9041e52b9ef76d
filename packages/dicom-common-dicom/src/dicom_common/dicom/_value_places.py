"""Where the value of one element lies in an object, so that range reads give it without reading the object."""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._elements import Elements, Value, pairs
from dicom_common.dicom._file_meta import FileMeta, read_file_meta
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._fragments import ReadRange
from dicom_common.dicom._heads import BIG, Head
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._read import window_over, within_limits
from dicom_common.dicom._read_header import RangeFeed
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._scan import Scanner
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._transfer_syntaxes import transfer_syntax
from dicom_common.dicom._window import Inflater

__all__ = ["ValuePlace", "find_value", "find_values", "inflate", "pixel_word", "swapped"]

_Level = dict[int, tuple[Head, Value]]
_NONE: Final[tuple[None, bytes]] = (None, b"")
_DEFAULTS: Final = ReaderSettings()
_FIRST: Final = 256 * 1024
_CHUNK: Final = 256 * 1024
_WORDS: Final = {2: "H", 4: "I", 8: "Q"}
_PIXEL_DATA: Final = 0x7FE00010
_SOP_INSTANCE_UID: Final = 0x00080018
_BITS_ALLOCATED: Final = 0x00280100
_PATH: Final = re.compile(r"[0-9A-F]{8}(?:\.[1-9][0-9]{0,8}\.[0-9A-F]{8}){0,128}")


class ValuePlace(NamedTuple):
    """Where the Value Field of an element lies."""

    vr: str
    offset: int
    """Its first byte in the bytes as received; where `inflated`, in the inflated data set."""
    length: int
    """In bytes."""
    word: int
    """Bytes of the words that are big endian, and are reversed to have them in little endian; 1: there are none."""
    inflated: bool
    """The data set is deflated (PS3.5 A.5): range reads of the object are useless."""
    value: bytes | None
    """The value itself, in little endian, where it is short enough to have been read with the header."""


def find_value(
    read_range: ReadRange, path: str, *, size: int, sop_uid: str | None = None, settings: ReaderSettings = _DEFAULTS
) -> ValuePlace | None:
    """Find the value of an element by the path of a BulkDataURI; None where the path is not that of a value.

    The header is read as `read_header` does it, with the same tolerance, so that what has a BulkDataURI is found.

    Args:
        read_range: gives bytes of the object.
        path: a tag of eight upper-case hex digits; in a sequence the tags and item numbers from the top, joined by
            dots.
        size: how many bytes the object has.
        sop_uid: the SOP Instance UID that the object must have; None: any.
        settings: limits and tolerance.

    Raises:
        DicomError: the object cannot be read; reason `encapsulated`: it is Pixel Data in fragments, not one value;
            `conflicting-identity`: it is another instance.
    """
    if _PATH.fullmatch(path) is None:
        return None
    return _DataSet(read_range, size, sop_uid, settings).place(path)


def find_values(
    read_range: ReadRange,
    paths: Iterable[str],
    *,
    size: int,
    sop_uid: str | None = None,
    settings: ReaderSettings = _DEFAULTS,
) -> Iterator[tuple[str, ValuePlace]]:
    """Find the values of many elements, by one reading of the header; see `find_value`.

    Paths that are not those of a value are left out, and so is encapsulated Pixel Data.

    Raises:
        DicomError: the object cannot be read; `conflicting-identity`: it is another instance.
    """
    data_set = _DataSet(read_range, size, sop_uid, settings)
    for path in paths:
        if _PATH.fullmatch(path) is None:
            continue
        try:
            place = data_set.place(path)
        except DicomError as error:
            if error.reason != Reason.ENCAPSULATED:
                raise
        else:
            if place is not None:
                yield path, place


def inflate(read_range: ReadRange, *, size: int, settings: ReaderSettings = _DEFAULTS) -> Iterator[bytes]:
    """Iterate over the inflated data set of an object in a deflated transfer syntax (PS3.5 A.5).

    Args:
        read_range: gives bytes of the object.
        size: how many bytes the object has.
        settings: limits and tolerance.

    Raises:
        DicomError: it cannot be inflated, or not within the limits.
    """
    feed = RangeFeed(read_range, size, _FIRST)
    meta = read_file_meta(window_over(feed, settings), settings, Findings())
    if not meta.deflated:
        raise DicomError(Reason.BAD_DEFLATE, "The data set is not deflated: read it as it is.")
    inflater = Inflater(feed.go_to(meta.data_set_offset), settings, lambda: None)
    while data := inflater.pull(_CHUNK):
        yield data


def pixel_word(vr: str, bits_allocated: int | None) -> int:
    """Return how many bytes the words of native pixel data have that big endian reverses (PS3.5 7.3, 8.1.1).

    Pixels of 32 and 64 bits under OW are written as words of their own size, as all writers do it.
    """
    if vr == "OW" and bits_allocated in (32, 64):
        return bits_allocated // 8
    return {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(vr, 1)


def swapped(data: bytes, word: int) -> bytes:
    """Reverse the bytes of each word.

    Args:
        data: whole words.
        word: bytes of a word: 1, 2, 4 or 8.
    """
    if word == 1:
        return data
    words = array(_WORDS[word], data)
    words.byteswap()
    return words.tobytes()


class _DataSet:
    """The elements of an object, found by their paths."""

    def __init__(self, read_range: ReadRange, size: int, sop_uid: str | None, settings: ReaderSettings) -> None:
        self._read_range = read_range
        self._meta, self._elements = _scanned(read_range, size, settings)
        self._levels: dict[int, _Level] = {}
        """The elements of data set and items by tag, by the identity of their list."""
        if sop_uid is not None and self._sop_uid() != sop_uid:
            raise DicomError(Reason.CONFLICTING_IDENTITY, "The object is another instance: restore it from a copy.")

    def place(self, path: str) -> ValuePlace | None:
        """Tell where the value at a path is; None where there is none."""
        level = self._level(self._elements)
        *around, last = path.split(".")
        for sequence, number in zip(around[::2], around[1::2], strict=True):
            _, items = level.get(int(sequence, 16), _NONE)
            if not isinstance(items, list) or int(number) > len(items):
                return None
            level = self._level(items[int(number) - 1])
        head, value = level.get(int(last, 16), _NONE)
        if head is None or isinstance(value, list) or not value:
            return None
        vr = "US" if head.vr == "US or SS" else head.vr
        if isinstance(value, bytes):
            return ValuePlace(vr, 0, len(value), 1, inflated=False, value=value)
        if value.length is None:
            raise DicomError(
                Reason.ENCAPSULATED, "The Pixel Data is encapsulated, so it is not one value: ask for its frames."
            )
        if not value.length:
            return None
        word = 1
        if self._meta.encoding == BIG:
            width = pixel_word(vr, _bits_allocated(level)) if head.tag == _PIXEL_DATA else head.width
            word = _word(self._read_range, width, value)
        elif head.tag == _PIXEL_DATA and self._has_big_endian_pixels():
            width = pixel_word(vr, _bits_allocated(level))
            word = 1 if value.length % width else width
        return ValuePlace(vr, value.offset, value.length, word, inflated=self._meta.deflated, value=None)

    def _has_big_endian_pixels(self) -> bool:
        syntax = transfer_syntax(self._meta.transfer_syntax_uid)
        return syntax is not None and syntax.big_endian_pixels

    def _level(self, elements: Elements) -> _Level:
        level = self._levels.get(id(elements))
        if level is None:
            level = self._levels[id(elements)] = {}
            for head, value in pairs(elements):
                level.setdefault(head.tag, (head, value))
        return level

    def _sop_uid(self) -> str | None:
        _, value = self._level(self._elements).get(_SOP_INSTANCE_UID, _NONE)
        return value.decode("ascii", "replace").partition("\0")[0].strip(" ") if isinstance(value, bytes) else None


def _scanned(read_range: ReadRange, size: int, settings: ReaderSettings) -> tuple[FileMeta, Elements]:
    with within_limits():
        feed, findings = RangeFeed(read_range, size, _FIRST), Findings()
        window = window_over(feed, settings)
        meta = read_file_meta(window, settings, findings)
        start = meta.data_set_offset
        if meta.deflated:
            window, start = window_over(Inflater(feed.go_to(start), settings, lambda: None), settings), 0
        return meta, Scanner(window, settings, findings).scan(meta.encoding, start)


def _bits_allocated(level: _Level) -> int | None:
    _, value = level.get(_BITS_ALLOCATED, _NONE)
    return int.from_bytes(value, "little") if isinstance(value, bytes) else None


def _word(read_range: ReadRange, width: int, value: Skipped) -> int:
    """Tell the width of the words to reverse; what is in a sequence of VR UN is little endian all the same."""
    length = value.length or 0
    if width == 1 or length % width:
        return 1
    before = read_range(value.offset - 4, 4)
    is_big = before == struct.pack(">I", length) or (length <= 0xFFFF and before[2:] == struct.pack(">H", length))
    return width if is_big else 1
