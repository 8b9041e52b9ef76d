"""The frames of a stored instance (PS3.18 10.4.1.1.3), by range reads of its object."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Final, Self

from dicom_common.core import KeptFrames, NotFoundError, Stored, validate_tenant
from dicom_common.dicom import (
    FrameIndex,
    ReaderSettings,
    Rule,
    index_frames,
    inflate,
    pixel_word,
    read_header,
    swapped,
    transfer_syntax,
)
from dicom_common.host import Services
from dicom_common.pipeline._kept_frames import kept_index, may_keep
from dicom_common.pipeline._object_ranges import damaged, ranges_of

__all__ = ["Frames", "open_frames"]

ReadRange = Callable[[int, int], bytes]

_CACHE_BYTES: Final = 32 << 20
_AT_ONCE: Final = 4 << 20
"""Bytes of frames beside each other that are read by one request."""
_GAP: Final = 64
"""Bytes between two such frames: the headers of items."""
_CHUNK: Final = 1 << 20
_IN_MEMORY: Final = 4 << 20
"""Bytes of an inflated data set that are held in memory; a larger one is in a temporary file."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the frames of an object: it depends on nothing but its bytes and the reader's settings."""

    index: FrameIndex
    word: int = 1
    """Bytes of the words that are big endian; 1: there are none."""
    start: int = 0
    """Where the first of these words is."""

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory: the places and lengths of fragments, and where frames begin."""
        return 1024 + 48 * self.index.fragments


class _Cache:
    """Frame indexes of this process, those that were used last, up to a number of bytes. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._known: OrderedDict[tuple[str, ReaderSettings], _Known] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, key: tuple[str, ReaderSettings]) -> _Known | None:
        with self._mutex, suppress(KeyError):
            self._known.move_to_end(key)
            return self._known[key]
        return None

    def put(self, key: tuple[str, ReaderSettings], known: _Known) -> None:
        if known.size > self._most // 2:  # it would push out all others
            return
        with self._mutex:
            if (old := self._known.pop(key, None)) is not None:
                self._size -= old.size
            self._known[key] = known
            self._size += known.size
            while self._size > self._most:
                self._size -= self._known.popitem(last=False)[1].size

    def clear(self) -> None:
        with self._mutex:
            self._known.clear()
            self._size = 0


_cache = _Cache(_CACHE_BYTES)


class Frames:
    """The frames of one instance. Thread-safe; a context manager.

    Each is read by a range of the object; of a deflated data set (PS3.5 A.5) the first read inflates the whole. Bytes
    are not compared with the digest of the instance, which is that of the whole object: `retrieve` does that.

    Attributes:
        stored: the instance.
        count: how many frames there are; a video counts as one.
        encapsulated: whether a frame is a compressed codestream (PS3.5 A.4), without item tags; otherwise it is pixels
            in little endian, whatever the transfer syntax is.
        transfer_syntax_uid: of the instance as it is stored.
    """

    def __init__(self, services: Services, stored: Stored, known: _Known, settings: ReaderSettings) -> None:
        self._known, self._settings = known, settings
        self._object = ranges_of(services.storage, stored)
        self._inflated: SpooledTemporaryFile[bytes] | None = None
        self._mutex = threading.Lock()
        self.stored = stored
        self.count = known.index.count
        self.encapsulated = known.index.encapsulated
        self.transfer_syntax_uid = stored.transfer_syntax_uid

    def read(self, number: int) -> bytes:
        """Return one frame: for encapsulated ones its joined fragments, otherwise its pixels.

        Pixels of one bit that do not begin at a byte are shifted so that they do (PS3.18 8.7.3.3.1).

        Args:
            number: from 1 on.

        Raises:
            IndexError: there is no frame of this number.
            NotFoundError: the storage does not have the object.
            DamagedError: the object is shorter than what was indexed.
            BackendError: the storage failed.
            DicomError: a deflated data set cannot be inflated.
        """
        return next(self.read_several((number,)))

    def chunks(self, number: int) -> Iterator[bytes]:
        """Iterate over one frame in pieces of up to 1 MiB: a video is one frame, and may not fit into memory.

        Raises, the first one at once and the others of `read` while iterating:
            IndexError: there is no frame of this number.
        """
        frame, known = self._known.index.frame(number), self._known
        if known.index.inflated or known.word > 1 or frame.first_bit or frame.bits % 8:
            return iter((self.read(number),))
        return (
            self._object(offset + at, min(_CHUNK, length - at))
            for offset, length in frame.ranges
            for at in range(0, length, _CHUNK)
        )

    def read_several(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """Iterate over frames, in the order of the numbers given; those that lie beside each other share a request.

        Raises:
            IndexError: there is no frame of one of the numbers; nothing was read.
        """
        wanted = [(number, self._span(number)) for number in numbers]
        return self._read(wanted)

    def close(self) -> None:
        """Free what a deflated data set was inflated to. A second call does nothing."""
        if self._inflated is not None:
            self._inflated.close()
            self._inflated = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _span(self, number: int) -> tuple[int, int]:
        """Tell where a frame begins and ends, with the headers of the items between its fragments."""
        ranges = self._known.index.frame(number).ranges
        if not ranges:
            return 0, 0
        begin, end = ranges[0].offset, ranges[-1].offset + ranges[-1].length
        word, start = self._known.word, self._known.start
        return begin - (begin - start) % word, end + -(end - start) % word

    def _read(self, wanted: Sequence[tuple[int, tuple[int, int]]]) -> Iterator[bytes]:
        at = 0
        while at < len(wanted):
            begin, end = wanted[at][1]
            behind = at + 1
            while behind < len(wanted):
                next_begin, next_end = wanted[behind][1]
                if not begin <= next_begin <= end + _GAP or next_end - begin > _AT_ONCE:
                    break
                end, behind = max(end, next_end), behind + 1
            data = self._bytes(begin, end - begin)

            def read_range(offset: int, length: int, data: bytes = data, begin: int = begin) -> bytes:
                return data[offset - begin : offset - begin + length]

            for number, _ in wanted[at:behind]:
                yield self._known.index.read(read_range, number)
            at = behind

    def _bytes(self, offset: int, length: int) -> bytes:
        known = self._known
        if known.index.inflated:
            with self._mutex:
                return _read_spool(self._inflate(), offset, length)
        data = self._object(offset, length)
        return swapped(data, known.word)

    def _inflate(self) -> SpooledTemporaryFile[bytes]:
        if self._inflated is None:
            self._inflated = _inflated(self._object, self.stored, self._settings)
        return self._inflated


def open_frames(services: Services, tenant: str, study_uid: str, series_uid: str, sop_uid: str) -> Frames:
    """Find the frames of an instance. The caller closes what it gets.

    Args:
        services: the index and the storage.
        tenant: whose.
        study_uid: its Study Instance UID.
        series_uid: its Series Instance UID.
        sop_uid: its SOP Instance UID.

    Raises:
        NotFoundError: the index does not have the instance for this tenant, in this study and series; or the storage
            does not have its object.
        DicomError: reason `no-pixel-data`: it has no frames; `no-frames`: they cannot be told apart.
        BackendError: the index or the storage failed.
    """
    stored = services.db.stored(validate_tenant(tenant), [sop_uid]).get(sop_uid)
    if stored is None or (stored.study_uid, stored.series_uid) != (study_uid, series_uid):
        raise NotFoundError("The index has no such instance for this tenant: search to list what exists.")
    settings = services.settings("reader", ReaderSettings)
    key = (stored.sha256, settings)
    known = _cache.get(key)
    if known is None:
        known = _kept_frames(services, stored) or _found_frames(services, stored, settings)
        _cache.put(key, known)
    return Frames(services, stored, known, settings)


def _kept_frames(services: Services, stored: Stored) -> _Known | None:
    """Return what the index has kept of the frames of an instance; None where the header has to be read.

    That is so for big endian words, too, of which only the header tells, also where an earlier version has kept them.

    Raises:
        DicomError: the index has kept that there are no frames.
    """
    if not isinstance(services.db, KeptFrames) or not may_keep(stored.transfer_syntax_uid):
        return None
    found = services.db.frames(stored.tenant, stored.study_uid, stored.series_uid, stored.sop_uid)
    if found is None or found[0] != stored:  # it was removed or replaced meanwhile
        return None
    index = kept_index(found[1])
    return None if index is None else _Known(index)


def _found_frames(services: Services, stored: Stored, settings: ReaderSettings) -> _Known:
    """Find the frames by reading the header of the object."""
    read_range = ranges_of(services.storage, stored)
    instance = read_header(read_range, size=stored.size, sha256=stored.sha256, settings=settings).instance
    if instance.sop_uid != stored.sop_uid:
        raise damaged(stored)
    syntax = transfer_syntax(instance.transfer_syntax_uid)
    as_declared = all(finding.rule != Rule.TRANSFER_SYNTAX for finding in instance.warnings)
    if syntax is not None and syntax.deflated and as_declared and instance.pixel_data is not None:
        with _inflated(read_range, stored, settings) as spool:
            index = index_frames(partial(_read_spool, spool), instance)
    else:
        index = index_frames(read_range, instance)
    pixel_data = instance.pixel_data
    if syntax is None or not syntax.big_endian_pixels or index.encapsulated or pixel_data is None:
        return _Known(index)
    word = pixel_word(pixel_data.vr, instance.bits_allocated)
    is_whole = pixel_data.length is not None and pixel_data.length % word == 0  # else it has no words
    return _Known(index, word if is_whole else 1, pixel_data.offset)


def _inflated(read_range: ReadRange, stored: Stored, settings: ReaderSettings) -> SpooledTemporaryFile[bytes]:
    spool = SpooledTemporaryFile[bytes](max_size=_IN_MEMORY)
    try:
        for chunk in inflate(read_range, size=stored.size, settings=settings):
            spool.write(chunk)
    except BaseException:
        spool.close()
        raise
    return spool


def _read_spool(spool: SpooledTemporaryFile[bytes], offset: int, length: int) -> bytes:
    spool.seek(offset)
    return spool.read(length)
