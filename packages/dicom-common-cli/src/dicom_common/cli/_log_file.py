"""The log in a file."""

from __future__ import annotations

import logging.handlers
import os
import sys
from contextlib import suppress
from io import TextIOWrapper

from dicom_common.cli._output import complain

__all__ = ["ToFile"]


class ToFile(logging.handlers.WatchedFileHandler):
    """Appends to a file that only its owner may read, where it makes it: it tells who worked with which study.

    A line that cannot be written is lost, and never fails the work that it tells of.
    """

    _is_told = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # the file was taken away and cannot be opened again
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's own name and arguments
        """Say once that lines are missing. The record itself, which logging would show as it is, is not shown."""
        if not self._is_told:
            self._is_told = True
            error = sys.exc_info()[1]
            why = getattr(error, "strerror", None) or type(error).__name__
            with suppress(OSError, ValueError):
                complain(f"the file {self.baseFilename} of log.file cannot be written ({why}): log lines are missing.")

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600))
