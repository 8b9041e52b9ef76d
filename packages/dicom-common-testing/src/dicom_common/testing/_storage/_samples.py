"""What the contracts write: bytes that can be recognised, in files of any size that take no memory."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO, cast

__all__ = ["ODD_KEYS", "pattern", "pattern_digest", "pattern_file"]

_BLOCK = 1 << 16

ODD_KEYS = (
    "a",
    "with space/ leading/trailing ",
    "%2e%2e/%2e%2e%2fetc",
    "..a/...b/c..",
    "-rf/--help",
    "~/$HOME/`id`/;",
    "*/?/[a-z]",
    "a:b|c<d>e\"f'g",
    "UPPER/lower",
    "upper/LOWER",
    "percent%/%s%d%n",
    "plus+and&equals=/hash#query?x=1",
    "é/composed",
    "e\u0301/decomposed",
    "Ж/א/ع/ก",
    "患者/検査/影像",
    "\U0001f9e0/\U00020000",
    "\u200b/\u202e/\ufeffx",
    "\ue000\uf8ff/\U000e0001/\U000f0000/\U0010fffd",
    "s" * 255,
    "ä" * 127 + "/" + "x" * 255,
    "/".join(["d" * 200] * 5),
    "/".join("n" * 100),
    "con/nul/aux.txt",
    ".hidden/.git/config",
)
"""Keys that are valid and that something somewhere will stumble over: every plane of Unicode, look-alikes that must
stay apart, what shells, URLs and Windows take for something else, the longest segment and nearly the longest key."""


def pattern_file(seed: int, size: int) -> BinaryIO:
    """Make a binary file of those bytes that can seek and takes no memory, however large it is."""
    return cast("BinaryIO", _PatternFile(seed, size))


def pattern(seed: int, size: int) -> bytes:
    """Make `size` bytes that tell of which `seed` they are; each place in them is different, too."""
    return _PatternFile(seed, size).read()


def pattern_digest(seed: int, size: int) -> str:
    """Tell the SHA-256 of `pattern(seed, size)` without making it as a whole."""
    digest, file = hashlib.sha256(), _PatternFile(seed, size)
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


class _PatternFile(io.RawIOBase):
    """See `pattern_file`."""

    def __init__(self, seed: int, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0
        self._filler = hashlib.sha256(b"%d" % seed).digest() * (_BLOCK // 32)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can seek."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as in any file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """Tell the position."""
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed has a wider buffer
        """Fill the buffer."""
        wanted = min(len(buffer), self._size - self._position)
        done = 0
        while done < wanted:
            number, offset = divmod(self._position, _BLOCK)
            block = number.to_bytes(8, "big") + self._filler[8:]
            piece = block[offset : offset + wanted - done]
            buffer[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return max(done, 0)
