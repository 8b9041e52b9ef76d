"""`read`: from the bytes of an instance to its record and its DICOM JSON."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from dicom_common.core import DicomError, Instance
from dicom_common.dicom._file_meta import FileMeta, read_file_meta
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._json import DataSetContext, encode_json
from dicom_common.dicom._native_frames import geometry_of
from dicom_common.dicom._pixel_form import Form, contradicts, pixel_form
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._record import identity, indexed_fields
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._scan import Scanner
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._transfer_syntaxes import transfer_syntax
from dicom_common.dicom._window import Inflater, MemoryFeed, StreamFeed, Window

__all__ = ["Readable", "Reading", "finish_reading", "read", "within_limits"]

Readable = bytes | bytearray | memoryview | mmap.mmap | BinaryIO | os.PathLike[str]
"""What `read` takes."""

_WHOLE = 4 << 20
"""A file of up to so many bytes is read at once; a longer one passes through a window."""
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
        return _read(source, settings)


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


def _read(source: Readable, settings: ReaderSettings) -> Reading:
    if isinstance(source, bytes):
        return _read_bytes(source, settings)
    if isinstance(source, os.PathLike):
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123  # any path-like, and no buffer to copy through
            return _read_file(file, os.fstat(file.fileno()).st_size, settings)
    if isinstance(source, (bytearray, memoryview, mmap.mmap)):
        with memoryview(source) as view:
            return _read_memory(view.cast("B") if view.format != "B" or view.ndim != 1 else view, settings)
    return _read_file(source, None, settings)


def _read_bytes(data: bytes, settings: ReaderSettings) -> Reading:
    window = Window(data)
    findings = Findings()
    meta = read_file_meta(window, settings, findings)
    if meta.deflated:
        window = Window(
            b"", Inflater(MemoryFeed(memoryview(data), meta.data_set_offset), settings), most=settings.max_header
        )
    return finish_reading(window, meta, settings, findings, lambda: (len(data), hashlib.sha256(data).hexdigest()))


def _read_memory(view: memoryview, settings: ReaderSettings) -> Reading:
    """Read from memory that is not ours to keep, and whose slices are no bytes: through a window, by copies."""
    if len(view) <= _WHOLE:
        return _read_bytes(bytes(view), settings)
    findings = Findings()
    window = Window(b"", MemoryFeed(view), size=len(view), most=settings.max_header)
    meta = read_file_meta(window, settings, findings)
    if meta.deflated:
        window = Window(b"", Inflater(MemoryFeed(view, meta.data_set_offset), settings), most=settings.max_header)
    return finish_reading(window, meta, settings, findings, lambda: (len(view), hashlib.sha256(view).hexdigest()))


def _read_file(file: Any, size: int | None, settings: ReaderSettings) -> Reading:
    start = _read_up_to(file, _WHOLE + 1 if size is None else min(_WHOLE, size) + 1)
    if len(start) <= _WHOLE:
        return _read_bytes(start, settings)
    findings = Findings()
    feed = StreamFeed(file, start)
    window = Window(b"", feed, size=size, most=settings.max_header)
    meta = read_file_meta(window, settings, findings)
    if meta.deflated:
        at = meta.data_set_offset - window.base
        feed.unread(window.buffer[at:])
        window = Window(b"", Inflater(feed, settings), most=settings.max_header)
    return finish_reading(window, meta, settings, findings, feed.finish)


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


def finish_reading(
    window: Window,
    meta: FileMeta,
    settings: ReaderSettings,
    findings: Findings,
    digest: Callable[[], tuple[int, str]],
) -> Reading:
    """Read the data set that the window stands before; `digest` gives size and SHA-256 when it is over."""
    scanner = Scanner(window, settings, findings)
    elements = scanner.scan(meta.encoding, 0 if meta.deflated else meta.data_set_offset)
    context = DataSetContext(settings, findings)
    uids: dict[str, Any] = dict(identity(elements, settings, context))
    if meta.sop_uid and meta.sop_uid != uids["sop_uid"]:
        findings.add([0x00020003], Rule.FILE_META, "the data set counts")
    context.base = f"studies/{uids['study_uid']}/series/{uids['series_uid']}/instances/{uids['sop_uid']}"
    metadata = encode_json(elements, context)
    fields = indexed_fields(elements, context)
    _check_pixel_data(scanner, meta.transfer_syntax_uid, fields, settings, findings)
    size, sha256 = digest()
    instance = Instance(
        **uids,
        **fields,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        size=size,
        sha256=sha256,
        data_set_offset=meta.data_set_offset,
        pixel_data=scanner.pixel_data,
        character_set=context.declared,
        warnings=findings.as_tuple(),
    )
    return Reading(instance, metadata)


def _check_pixel_data(
    scanner: Scanner, uid: str, fields: dict[str, Any], settings: ReaderSettings, findings: Findings
) -> None:
    """Compare pixel data with what the transfer syntax and the attributes say (PS3.5 8.1.1, A.4, PS3.3 C.7.6.3)."""
    pixel = scanner.pixel_data
    if pixel is None:
        if fields.get("rows") and fields.get("columns") and fields.get("bits_allocated"):
            findings.add([_PIXEL_DATA], Rule.NO_PIXEL_DATA, "indexed without")
        return
    syntax = transfer_syntax(uid)
    geometry = geometry_of({"bits_allocated": 8} | fields, pixel, findings.as_tuple())
    form = pixel_form(pixel, scanner.pixel_start, syntax, geometry)
    if contradicts(form, pixel, syntax):
        findings.add([pixel.tag], Rule.PIXEL_DATA_FORM, f"indexed as {form.value}")
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
