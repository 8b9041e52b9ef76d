"""The parts of a multipart body, as its bytes arrive (RFC 2046 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

__all__ = ["END", "Head", "MultipartError", "PartParser"]

_MAX_PREAMBLE = 64 * 1024
_MAX_HEAD = 16 * 1024
_MAX_LINES = 64
_MAX_PADDING = 256
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class MultipartError(Exception):
    """The body is not what its media type says; the message is one sentence, with nothing of the body in it."""


@dataclass(frozen=True, slots=True)
class Head:
    """A part begins: its headers, names in lower case."""

    headers: Mapping[str, str]


class _End(Enum):
    END = auto()


END: Final = _End.END
"""A part is complete."""


class _State(Enum):
    PREAMBLE = auto()
    HEAD = auto()
    DATA = auto()
    EPILOGUE = auto()


class PartParser:
    """Takes a body in pieces of any size, and gives the parts: a `Head`, pieces of bytes, `END`.

    It holds as much as a delimiter or the head of a part is long. Lines may end in LF alone where those of the first
    delimiter do. What only begins like a delimiter is data.

    Args:
        boundary: as the media type has it, 1 to 256 bytes.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"--" + boundary
        self._eol = b"\r\n"
        self._state = _State.PREAMBLE
        self._buffer = bytearray()
        self._skip = 0
        self._preamble = 0

    @property
    def is_complete(self) -> bool:
        """Whether the closing delimiter has come."""
        return self._state is _State.EPILOGUE

    def feed(self, data: bytes) -> Iterator[Head | bytes | _End]:
        """Take a piece of the body; what it completes has to be taken to its end.

        Raises:
            MultipartError: the body is malformed.
        """
        if self.is_complete:
            return
        self._buffer += data
        at = 0
        goes_on = True
        while goes_on and not self.is_complete:
            state, (events, at) = self._state, self._step(at)
            yield from events
            goes_on = self._state is not state
        del self._buffer[: len(self._buffer) if self.is_complete else at]

    def _step(self, at: int) -> tuple[list[Head | bytes | _End], int]:
        # Not a table of methods, each of which has the parser: a cycle, which is garbage that waits to be found.
        if self._state is _State.DATA:
            return self._data(at)
        return self._head(at) if self._state is _State.HEAD else self._first(at)

    def _first(self, at: int) -> tuple[list[Head | bytes | _End], int]:
        """Look for the first delimiter; what stands before it has no meaning."""
        found = at
        while 0 <= (found := self._buffer.find(self._mark, found)) <= _MAX_PREAMBLE:
            is_line = self._buffer[found - 1 : found] == b"\n" if found else self._preamble == 0
            line = self._line_end(found + len(self._mark)) if is_line else (0, False)
            if line is None:
                return [], at
            if line[0]:
                end, is_last = line
                if not is_last and self._buffer[end - 2 : end - 1] != b"\r":
                    self._eol = b"\n"
                self._state = _State.EPILOGUE if is_last else _State.HEAD
                return [], end
            found += 1
        # The tail may be the beginning of a delimiter, with the end of the line before it.
        keep = max(at, len(self._buffer) - len(self._mark) - 1)
        self._preamble += keep - at
        if self._preamble > _MAX_PREAMBLE:
            raise MultipartError("The body does not begin with the boundary that Content-Type names.")
        return [], keep

    def _head(self, at: int) -> tuple[list[Head | bytes | _End], int]:
        eol = self._eol
        if self._buffer.startswith(eol, at):
            lines, end = b"", at + len(eol)
        else:
            found = self._buffer.find(eol + eol, at, at + _MAX_HEAD)
            if found < 0:
                if len(self._buffer) - at >= _MAX_HEAD:
                    raise MultipartError(f"The headers of a part have no end within {_MAX_HEAD} bytes.")
                return [], at
            lines, end = bytes(self._buffer[at:found]), found + 2 * len(eol)
        self._state = _State.DATA
        # A part without data: the end of its headers is the beginning of the next delimiter, too.
        self._skip = len(eol)
        return [Head(self._headers(lines))], end - len(eol)

    def _headers(self, text: bytes) -> dict[str, str]:
        headers: dict[str, str] = {}
        lines = re.sub(re.escape(self._eol) + rb"[ \t]+", b" ", text).split(self._eol) if text else []
        if len(lines) > _MAX_LINES:
            raise MultipartError(f"A part has more than {_MAX_LINES} headers.")
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or _NAME.fullmatch(name) is None:
                raise MultipartError("A part has a header line without a name and a colon.")
            key = name.decode("ascii").lower()
            if key in headers:
                raise MultipartError("A part has the same header twice.")
            headers[key] = value.strip(b" \t").decode("latin-1")
        return headers

    def _data(self, at: int) -> tuple[list[Head | bytes | _End], int]:
        delimiter = self._eol + self._mark
        found = at
        while (found := self._buffer.find(delimiter, found)) >= 0:
            line = self._line_end(found + len(delimiter))
            if line is None:
                return self._piece(at, found), found
            end, is_last = line
            if end:
                events = [*self._piece(at, found), END]
                self._skip = 0
                self._state = _State.EPILOGUE if is_last else _State.HEAD
                return events, end
            found += 1
        keep = max(at, len(self._buffer) - len(delimiter) + 1)
        return self._piece(at, keep), keep

    def _piece(self, begin: int, end: int) -> list[Head | bytes | _End]:
        skipped = min(self._skip, end - begin)
        self._skip -= skipped
        return [bytes(memoryview(self._buffer)[begin + skipped : end])] if end > begin + skipped else []

    def _line_end(self, at: int) -> tuple[int, bool] | None:
        """Tell what follows a boundary: where the delimiter ends and whether it is the last one; 0: no delimiter.

        None: that cannot be told yet.
        """
        if self._buffer.startswith(b"--", at):
            return at + 2, True
        rest = bytes(self._buffer[at : at + _MAX_PADDING + 2])
        padded = rest.lstrip(b" \t")
        padding = len(rest) - len(padded)
        if padded.startswith(b"\r\n"):
            return at + padding + 2, False
        if padded.startswith(b"\n"):
            return at + padding + 1, False
        may_come = padded in (b"", b"\r") or (padded == b"-" and not padding)
        return None if may_come and padding <= _MAX_PADDING else (0, False)
