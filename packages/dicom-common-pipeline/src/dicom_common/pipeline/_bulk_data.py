"""The value of one element, as a BulkDataURI stands for it (PS3.18 10.4.1.1.5), by range reads of the object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from dicom_common.core import DicomError, NotFoundError, Storage, Stored
from dicom_common.dicom import (
    ReaderSettings,
    Reason,
    ValuePlace,
    find_value,
    find_values,
    inflate,
    read_header,
    swapped,
)
from dicom_common.pipeline._object_ranges import damaged, lost, ranges_of

__all__ = ["BulkData", "list_bulk_data", "open_all_bulk_data", "open_bulk_data"]

_CHUNK: Final = 256 * 1024


class BulkData:
    """The value of one element, in little endian. Memory does not grow with it; nothing has to be closed.

    Attributes:
        vr: its VR.
        length: in bytes.
    """

    def __init__(self, storage: Storage, stored: Stored, place: ValuePlace, settings: ReaderSettings) -> None:
        self._storage, self._stored, self._place, self._settings = storage, stored, place, settings
        self.vr = place.vr
        self.length = place.length

    def chunks(self) -> Iterator[bytes]:
        """Iterate over the value.

        Raises, while iterating:
            NotFoundError: the storage does not have the object.
            DamagedError: the object is shorter than what was indexed.
            BackendError: the storage failed.
            DicomError: a deflated data set cannot be inflated.
        """
        return self.range(0, self.length)

    def range(self, start: int, length: int) -> Iterator[bytes]:
        """Iterate over a part of the value: `length` bytes from `start` on (RFC 9110 14.1.2), or what there is of them.

        Raises:
            ValueError: `start` or `length` is negative.
        """
        if start < 0 or length < 0:
            raise ValueError("start and length have to be 0 or more")
        end = min(start + length, self.length)
        if start >= end:
            return iter(())
        place = self._place
        if place.value is not None:
            return iter((place.value[start:end],))
        begin, stop = start - start % place.word, end + -end % place.word
        pieces = self._read(place.offset + begin, stop - begin)
        return _cut(_little_endian(pieces, place.word), start - begin, end - start)

    def _read(self, offset: int, length: int) -> Iterator[bytes]:
        """Read bytes of the object, or of its inflated data set."""
        given = 0
        try:
            if self._place.inflated:
                read_range = ranges_of(self._storage, self._stored)
                pieces = inflate(read_range, size=self._stored.size, settings=self._settings)
            else:
                pieces, offset = self._storage.read(self._stored.key, start=offset, length=length), 0
            for piece in _cut(pieces, offset, length):
                given += len(piece)
                yield piece
        except NotFoundError as error:
            raise lost(self._stored) from error
        if given != length:
            raise damaged(self._stored)


def open_bulk_data(storage: Storage, stored: Stored, path: str, *, settings: ReaderSettings | None = None) -> BulkData:
    """Find the value that a BulkDataURI stands for.

    Args:
        storage: has the object.
        stored: the instance.
        path: what stands behind `/bulkdata/` in the URI: a tag (`7FE00010`), or for an element in a sequence the tags
            and item numbers from the top (`0040A730.2.00091001`).
        settings: the reader's; the defaults where none are given.

    Raises:
        NotFoundError: the instance has no such element, or it has no value, or is a sequence; or the storage does not
            have the object.
        DamagedError: the object is not the instance.
        DicomError: reason `encapsulated`: it is encapsulated Pixel Data, which is not one value; `open_frames` gives
            its frames.
        BackendError: the storage failed.
    """
    reader = settings or ReaderSettings()
    try:
        place = find_value(ranges_of(storage, stored), path, size=stored.size, sop_uid=stored.sop_uid, settings=reader)
    except DicomError as error:
        if error.reason == Reason.CONFLICTING_IDENTITY:
            raise damaged(stored) from error
        raise
    if place is None:
        raise NotFoundError("The instance has no value at this path: take the paths of its BulkDataURIs.")
    return BulkData(storage, stored, place, reader)


def open_all_bulk_data(
    storage: Storage, stored: Stored, *, paths: Iterable[str] | None = None, settings: ReaderSettings | None = None
) -> Iterator[tuple[str, BulkData]]:
    """Find values of an instance that have a BulkDataURI, with their paths, by one reading of its header.

    Encapsulated Pixel Data is left out: it is not one value, and `open_frames` gives its frames.

    Args:
        storage: has the object.
        stored: the instance.
        paths: of which values; by default all, for which the header is read once more (`list_bulk_data`).
        settings: the reader's; the defaults where none are given.

    Raises:
        NotFoundError: the storage does not have the object.
        DamagedError: the object is not the instance.
        BackendError: the storage failed.
        DicomError: the object cannot be read.
    """
    reader = settings or ReaderSettings()
    if paths is None:
        paths = list_bulk_data(storage, stored, settings=reader)
    read_range = ranges_of(storage, stored)
    try:
        for path, place in find_values(read_range, paths, size=stored.size, sop_uid=stored.sop_uid, settings=reader):
            yield path, BulkData(storage, stored, place, reader)
    except DicomError as error:
        if error.reason == Reason.CONFLICTING_IDENTITY:
            raise damaged(stored) from error
        raise


def list_bulk_data(
    storage: Storage, stored: Stored, *, metadata: bytes | None = None, settings: ReaderSettings | None = None
) -> Iterator[str]:
    """Iterate over the paths of all elements of an instance that have a BulkDataURI, in the order of their tags.

    Encapsulated Pixel Data is among them.

    Args:
        storage: has the object.
        stored: the instance.
        metadata: its DICOM JSON as the index keeps it, where the caller has it; otherwise the header is read.
        settings: the reader's; the defaults where none are given.

    Raises:
        NotFoundError: the storage does not have the object.
        BackendError: the storage failed.
        DicomError: the object cannot be read.
    """
    if metadata is None:
        read_range, reader = ranges_of(storage, stored), settings or ReaderSettings()
        metadata = read_header(read_range, size=stored.size, sha256=stored.sha256, settings=reader).metadata
    return _paths(json.loads(metadata), "")


def _paths(data_set: dict[str, dict[str, Any]], around: str) -> Iterator[str]:
    for tag, attribute in data_set.items():
        if "BulkDataURI" in attribute:
            yield around + tag
        elif attribute["vr"] == "SQ":
            for number, item in enumerate(attribute.get("Value", ()), 1):
                yield from _paths(item, f"{around}{tag}.{number}.")


def _cut(pieces: Iterator[bytes], start: int, length: int) -> Iterator[bytes]:
    """Give `length` bytes from `start` on."""
    for piece in pieces:
        if start >= len(piece):
            start -= len(piece)
            continue
        some = piece[start : start + length]
        start, length = 0, length - len(some)
        if some:
            yield some
        if not length:
            return


def _little_endian(pieces: Iterator[bytes], word: int) -> Iterator[bytes]:
    """Reverse the bytes of words that pieces are made of; a word may be in two of them."""
    if word == 1:
        yield from pieces
        return
    left = b""
    for piece in pieces:
        data = left + piece
        whole = len(data) - len(data) % word
        left = data[whole:]
        if whole:
            yield swapped(data[:whole], word)
