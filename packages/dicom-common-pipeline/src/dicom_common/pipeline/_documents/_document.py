"""A metadata document: a gzip file (RFC 1952) that says of which revision it is, and knows if it is damaged.

It is an array of DICOM JSON objects (PS3.18 Annex F), as the metadata resources of PS3.18 10.4.1.1.2 are. What it is
made of stands in the header's comment, which every program that reads gzip passes over:

    dicom-common 1 <revision> <number of instances> <SHA-256 of what comes behind the header, and of that number>

All of it has a fixed length: the header is written last, and is read without the rest.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from dicom_common.pipeline._documents._objects import valid_objects

__all__ = ["HEADER_BYTES", "Document", "is_of", "open_document", "write_document"]

_IN_MEMORY = 4 << 20
"""Bytes of a document, compressed, that are held in memory; a larger one goes through a temporary file."""
_CHUNK = 64 * 1024
_LEVEL = 3
"""Of deflate: higher ones take two to three times as long, and DICOM JSON becomes hardly smaller."""
_GZIP = b"\x1f\x8b\x08\x10\0\0\0\0\0\xff"
"""Deflate, with a comment, no time of modification, no system."""
_MAGIC = b"dicom-common 1 "
HEADER_BYTES = len(_GZIP) + len(_MAGIC) + 64 + 1 + 10 + 1 + 64 + 1
"""The length of the header."""


class Document:
    """The metadata of a study or a series, complete and checked. A context manager; read by one at a time.

    Attributes:
        revision: what the study or series was at, 64 hex digits: it serves as an entity tag (RFC 9110 8.8.3). None
            where it kept changing while it was read; then the document must not be kept.
        instances: how many there are.
        size: bytes of the gzip file.
    """

    def __init__(self, spool: SpooledTemporaryFile[bytes], *, revision: str | None, instances: int, size: int) -> None:
        self._spool = spool
        self.revision = revision
        self.instances = instances
        self.size = size

    def gzip(self) -> Iterator[bytes]:
        """Iterate over the gzip file, for `Content-Encoding: gzip`."""
        self._spool.seek(0)
        while chunk := self._spool.read(_CHUNK):
            yield chunk

    def plain(self) -> Iterator[bytes]:
        """Iterate over the JSON text, UTF-8. Memory does not grow with it."""
        inflate = zlib.decompressobj(wbits=31)
        for chunk in self.gzip():
            waiting = chunk
            while waiting:
                yield inflate.decompress(waiting, _CHUNK)
                waiting = inflate.unconsumed_tail
        yield inflate.flush()

    def spool(self) -> SpooledTemporaryFile[bytes]:
        """Return the gzip file, at its beginning."""
        self._spool.seek(0)
        return self._spool

    def close(self) -> None:
        """Free the memory, or the temporary file. A second call does nothing."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_document(objects: Iterable[bytes], revision: str) -> Document:
    """Make a document of DICOM JSON objects, one at a time. What is not one is left out, with a warning in the log."""
    spool = SpooledTemporaryFile[bytes](_IN_MEMORY)
    try:
        spool.write(bytes(HEADER_BYTES))
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        digest = hashlib.sha256()
        check = length = instances = 0

        def put(data: bytes) -> None:
            digest.update(data)
            spool.write(data)

        def text(data: bytes) -> None:
            nonlocal check, length
            check = zlib.crc32(data, check)
            length += len(data)
            put(deflate.compress(data))

        for one in valid_objects(objects):
            text((b",\n" if instances else b"[") + one)
            instances += 1
        text(b"]\n" if instances else b"[]\n")
        put(deflate.flush())
        put(struct.pack("<II", check, length & 0xFFFFFFFF))
        size = spool.tell()
        spool.seek(0)
        digest.update(b"%d" % instances)
        spool.write(_header(revision, instances, digest.hexdigest()))
    except BaseException:
        spool.close()
        raise
    return Document(spool, revision=revision, instances=instances, size=size)


def open_document(chunks: Iterable[bytes], revision: str) -> Document | None:
    """Read a document whole; None if it is of another revision, damaged, or no document at all."""
    spool = SpooledTemporaryFile[bytes](_IN_MEMORY)
    document = None
    try:
        header, digest = b"", hashlib.sha256()
        for chunk in chunks:
            missing = HEADER_BYTES - len(header)
            header += chunk[:missing]
            if len(header) == HEADER_BYTES:
                if not is_of(header, revision):
                    return None  # the rest is not read
                digest.update(chunk[missing:])
            spool.write(chunk)
        if not is_of(header, revision):
            return None
        instances = int(header[-76:-66])
        digest.update(b"%d" % instances)
        if header == _header(revision, instances, digest.hexdigest()):
            document = Document(spool, revision=revision, instances=instances, size=spool.tell())
        return document
    finally:
        if document is None:
            spool.close()


def is_of(header: bytes, revision: str) -> bool:
    """Tell whether the beginning of a file is that of a document of a revision."""
    beginning = _GZIP + _MAGIC + revision.encode() + b" "
    return len(header) == HEADER_BYTES and header.startswith(beginning) and header[-76:-66].isdigit()


def _header(revision: str, instances: int, digest: str) -> bytes:
    header = _GZIP + _MAGIC + f"{revision} {instances:010} {digest}".encode() + b"\0"
    if len(header) != HEADER_BYTES:
        raise ValueError("a revision is 64 hex digits, and a document has up to 9,999,999,999 instances")
    return header
