"""Canaries: patients' names and numbers that tests work with, and that must turn up in no log, error, key or header.

A message's body, an index's answer and what a user asked a command to print may hold a patient's attributes. What an
operator reads may not: logs are kept for years, errors are mailed around, headers and keys are shown by every tool.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dicom_common.core import DicomCommonError, Event, Message

__all__ = ["Watch", "find_canary"]

_CANARY = re.compile(
    r"""
      # The made-up instances of this kit, and its corpus of searches.
      MADE-UP-\d | Made\^Up | (?i:Doe\^J(ohn|ane)) | Yamada\^Tarou | 山田\^太郎 | やまだ\^たろう
    | M(ü|\\xfc|\\u00fc)ller\^ | O'Neil\^ | House\^Gregory | Strau(ß|\\xdf|\\u00df)\^
      # Samples that ship with pydicom.
    | CompressedSamples\^ | \b(1CT1|4MR1)\b | Last\^First\^mid
      # What a test puts wherever a value of a data set, a password or a token might be told.
    | CANARY
    """,
    re.VERBOSE,
)


def find_canary(text: str) -> str | None:
    """Return what of a test patient a text holds, or None: for a test that looks at what its children printed."""
    found = _CANARY.search(text)
    return found[0] if found else None


class Watch:
    """Looks at every log record, error of the library, and key and header of a message, for as long as it is on."""

    def __init__(self) -> None:
        self.leaks: list[str] = []

    @contextmanager
    def on(self) -> Iterator[None]:
        """Look on, in all threads."""
        handler = _Records(self._look)
        library = logging.getLogger("dicom_common")
        level = library.level
        library.setLevel(logging.DEBUG)
        logging.getLogger().addHandler(handler)
        with self._made(DicomCommonError, _text), self._made(Message, _envelope), self._made(Event, _envelope):
            yield
        logging.getLogger().removeHandler(handler)
        library.setLevel(level)

    @contextmanager
    def _made(self, kind: type[Any], tell: Callable[[Any], str]) -> Iterator[None]:
        """Look at every object of a kind when it is made."""
        make = kind.__init__

        @functools.wraps(make)
        def looked_at(made: Any, *arguments: Any, **named: Any) -> None:
            make(made, *arguments, **named)
            self._look(f"{type(made).__name__}", tell(made))

        kind.__init__ = looked_at
        try:
            yield
        finally:
            kind.__init__ = make

    def _look(self, where: str, text: str) -> None:
        found = find_canary(text)
        if found is not None:
            self.leaks.append(f"{where} holds {found!r}")


class _Records(logging.Handler):
    def __init__(self, look: Callable[[str, str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._tell = look

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record. Of an exception only one of ours is logged with its text, and that was looked at."""
        self._tell(f"a record of the logger {record.name}", record.getMessage())


def _text(error: DicomCommonError) -> str:
    return f"{error} {error!r}"


def _envelope(message: Message | Event) -> str:
    return f"{message!r} {message.key} {dict(message.headers)}"
