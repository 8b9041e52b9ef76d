"""`read`: from the bytes of an instance to its record and its DICOM JSON."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from dicom_common.core import DicomError, Instance
from dicom_common.dicom._file_meta import read_file_meta
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._identity import identity
from dicom_common.dicom._json import DataSetContext, encode_json
from dicom_common.dicom._native_engine import scan_natively
from dicom_common.dicom._native_frames import geometry_of
from dicom_common.dicom._pixel_form import Form, contradicts, pixel_form
from dicom_common.dicom._pixel_place import PixelPlace
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._record import indexed_fields
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._scan import Scanner
from dicom_common.dicom._scanned import Scanned
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._transfer_syntaxes import TransferSyntax, transfer_syntax
from dicom_common.dicom._window import Feed, Inflater, MemoryFeed, StreamFeed, Window

__all__ = ["Readable", "Reading", "read", "read_through", "read_window", "window_over", "within_limits"]

Readable = bytes | bytearray | memoryview | mmap.mmap | BinaryIO | os.PathLike[str]
"""What `read` takes."""

_CHUNK = 1 << 18
_WHOLE = 4 << 20
"""A file of up to so many bytes is read at once; a longer one passes through a window."""
_LONGEST_ELEMENT = (1 << 16) + 8
_PIXEL_DATA = 0x7FE00010
_DEFAULTS = ReaderSettings()


class Reading:
    """What was read of an instance."""

    __slots__ = ("instance", "metadata")

    def __init__(self, instance: Instance, metadata: bytes) -> None:
        self.instance = instance
        self.metadata = metadata
        """The DICOM JSON object (PS3.18 Annex F), UTF-8."""

    def __repr__(self) -> str:
        return f"<Reading {self.instance.sop_uid}>"


def read(source: Readable, *, settings: ReaderSettings = _DEFAULTS) -> Reading:
    """Read an instance: one pass over its header, and one over all bytes for the digest.

    Pixel data and other long values are passed over, not loaded. Memory grows with the header only.

    Args:
        source: bytes; a binary file or stream, read from where it stands to its end; or a path (not text).
        settings: limits and tolerance.

    Raises:
        DicomError: this cannot be taken as an instance; `reason` is a `Reason`.
        OSError: a path cannot be opened, or a file cannot be read.
    """
    with within_limits():
        return read_through(source, settings, _WHOLE)


@contextmanager
def within_limits() -> Iterator[None]:
    """Turn the limits of Python itself into errors of the reader."""
    try:
        yield
    except RecursionError:
        raise DicomError(
            Reason.TOO_DEEP, "The caller leaves too little of Python's stack for this nesting; lower reader.max_depth."
        ) from None
    except MemoryError:
        raise DicomError(
            Reason.TOO_LARGE, "The header does not fit into the memory that is left; lower reader.max_elements."
        ) from None


def read_through(source: Readable, settings: ReaderSettings, whole: int) -> Reading:
    """Read; what is longer than `whole` bytes, through a window of no more. The answer does not depend on it."""
    if isinstance(source, bytes):
        return _read_bytes(source, settings)
    if isinstance(source, os.PathLike):
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123  # any path-like, and no buffer to copy through
            return _read_file(file, os.fstat(file.fileno()).st_size, settings, whole)
    if isinstance(source, (bytearray, memoryview, mmap.mmap)):
        with memoryview(source) as view:
            return _read_memory(view.cast("B") if view.format != "B" or view.ndim != 1 else view, settings, whole)
    return _read_file(source, None, settings, whole)


def _read_bytes(data: bytes, settings: ReaderSettings) -> Reading:
    def digest() -> tuple[int, str]:
        return len(data), hashlib.sha256(data).hexdigest()

    if (scanned := scan_natively(data, len(data), settings)) is not None:
        return _completed(scanned, digest, settings)
    return read_window(Window(data), lambda at: MemoryFeed(memoryview(data), at), digest, settings)


def _read_memory(view: memoryview, settings: ReaderSettings, whole: int) -> Reading:
    """Read from memory that is not ours to keep, and whose slices are no bytes: through a window, by copies."""
    if len(view) <= whole:
        return _read_bytes(bytes(view), settings)

    def digest() -> tuple[int, str]:
        return len(view), hashlib.sha256(view).hexdigest()

    if (scanned := scan_natively(bytes(view[:whole]), len(view), settings)) is not None:
        return _completed(scanned, digest, settings)
    window = window_over(MemoryFeed(view), settings, whole)
    return read_window(window, lambda at: MemoryFeed(view, at), digest, settings)


def _read_file(file: Any, size: int | None, settings: ReaderSettings, whole: int) -> Reading:
    start = _read_up_to(file, whole + 1 if size is None else min(whole, size) + 1)
    if len(start) <= whole:
        return _read_bytes(start, settings)
    if size is not None and (scanned := scan_natively(start, size, settings)) is not None:
        reading = _completed(scanned, StreamFeed(file, start).finish, settings)
        if reading.instance.size == size:
            return reading
        file.seek(len(start))  # it was changed meanwhile
    feed = StreamFeed(file, start)
    window = window_over(feed, settings, whole)

    def again(position: int) -> Feed:
        feed.unread(window.buffer[position - window.base :])
        return feed

    return read_window(window, again, feed.finish, settings)


def _read_up_to(file: Any, size: int) -> bytes:
    """Read `size` bytes, or all there are: a stream may give fewer than asked for before its end."""
    data: bytes = file.read(size) or b""
    if len(data) in (0, size):
        return data
    parts, have = [data], len(data)
    while have < size and (data := file.read(size - have)):
        parts.append(data)
        have += len(data)
    return b"".join(parts)


def window_over(feed: Feed, settings: ReaderSettings, chunk: int = _WHOLE) -> Window:
    """Make a window that keeps what a damaged sequence, or an element of a wrong length, has to be written from."""
    return Window(b"", feed, keep=max(settings.bulk_data_threshold, _LONGEST_ELEMENT), chunk=min(chunk, _CHUNK))


def read_window(
    window: Window,
    again: Callable[[int], Feed],
    digest: Callable[[], tuple[int, str]],
    settings: ReaderSettings,
) -> Reading:
    """Read the instance that the window stands before.

    Args:
        window: all bytes.
        again: gives those from a position in the window on, to be inflated.
        digest: gives size and SHA-256 of all bytes, when everything else is over.
        settings: limits and tolerance.
    """
    findings = Findings()
    meta = read_file_meta(window, settings, findings)
    start = meta.data_set_offset
    if meta.deflated:

        def wrapped() -> None:
            findings.add([0x00020010], Rule.DEFLATE_HEADER, "inflated in spite of it")

        window, start = window_over(Inflater(again(start), settings, wrapped), settings), 0
    scanner = Scanner(window, settings, findings)
    elements = scanner.scan(meta.encoding, start)
    context = DataSetContext(settings, findings)
    uids: dict[str, Any] = dict(identity(elements, settings, context))
    if meta.sop_uid and meta.sop_uid != uids["sop_uid"]:
        findings.add([0x00020003], Rule.FILE_META, "the data set counts")
    context.base = f"studies/{uids['study_uid']}/series/{uids['series_uid']}/instances/{uids['sop_uid']}"
    metadata = encode_json(elements, context)
    scanned = Scanned(
        transfer_syntax_uid=meta.transfer_syntax_uid,
        data_set_offset=meta.data_set_offset,
        fields=uids | indexed_fields(elements, context),
        character_set=context.declared,
        pixels=scanner.pixels,
        metadata=metadata,
        findings=findings,
    )
    return _completed(scanned, digest, settings)


def _completed(scanned: Scanned, digest: Callable[[], tuple[int, str]], settings: ReaderSettings) -> Reading:
    """Make the record of what was scanned."""
    uid, pixels, findings = scanned.transfer_syntax_uid, scanned.pixels, scanned.findings
    fields = scanned.fields
    if not _is_ordinary(pixels, transfer_syntax(uid), fields):
        _check_pixel_data(pixels, uid, fields, settings, findings)
    size, sha256 = digest()
    instance = Instance(
        **fields,
        transfer_syntax_uid=uid,
        size=size,
        sha256=sha256,
        data_set_offset=scanned.data_set_offset,
        pixel_data=pixels.data,
        character_set=scanned.character_set,
        warnings=findings.as_tuple(),
    )
    return Reading(instance, scanned.metadata)


def _is_ordinary(pixels: PixelPlace, syntax: TransferSyntax | None, fields: dict[str, Any]) -> bool:
    """Tell at a glance whether pixel data is what nearly all is: fragments, or the pixels and at most a byte more."""
    pixel = pixels.data
    if pixel is None or syntax is None or pixels.lacks_pad:
        return False
    if syntax.encapsulated or pixel.length is None:
        return syntax.encapsulated and pixel.length is None
    bits = fields.get("rows", 0) * fields.get("columns", 0) * fields.get("samples_per_pixel", 0)
    bits *= fields.get("bits_allocated", 0) * fields.get("number_of_frames", 1)
    return pixel.tag == _PIXEL_DATA and 0 < bits <= 8 * pixel.length < bits + (8 if pixel.length % 2 else 16)


def _check_pixel_data(
    pixels: PixelPlace, uid: str, fields: dict[str, Any], settings: ReaderSettings, findings: Findings
) -> None:
    """Compare pixel data with what the transfer syntax and the attributes say (PS3.5 8.1.1, A.4, PS3.3 C.7.6.3)."""
    pixel = pixels.data
    if pixel is None:
        if fields.get("rows") and fields.get("columns") and fields.get("bits_allocated"):
            findings.add([_PIXEL_DATA], Rule.NO_PIXEL_DATA, "indexed without")
        return
    syntax = transfer_syntax(uid)
    geometry = geometry_of({"bits_allocated": 8} | fields, pixel, findings.as_tuple())
    form = pixel_form(pixel, pixels.start, syntax, geometry)
    if contradicts(form, pixel, syntax):
        findings.add([pixel.tag], Rule.PIXEL_DATA_FORM, f"indexed as {form.value}")
    if pixels.lacks_pad:
        if form is not Form.NATIVE or not geometry.fits(pixel.length or 0):
            raise DicomError(Reason.TRUNCATED, "The object ends within its pixel data; ask the sender for a new copy.")
        findings.add([pixel.tag], Rule.MISSING_PAD, "took it as whole")
    if form is not Form.NATIVE or pixel.length is None or not geometry.layouts:
        return
    if 8 * pixel.length < geometry.layouts[0] * (geometry.frames or 1):
        if settings.truncated_pixel_data == "refuse":
            raise DicomError(
                Reason.TRUNCATED,
                "The pixel data is shorter than rows, columns, frames and bits say; ask the sender for a new copy, "
                "or set reader.truncated_pixel_data to accept it.",
            )
        findings.add([pixel.tag], Rule.SHORT_PIXEL_DATA, "took what is there")
    elif geometry.frames is not None and not geometry.fits(pixel.length):
        findings.add([pixel.tag], Rule.PIXEL_DATA_LONGER, "kept all of it")
