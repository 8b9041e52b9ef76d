"""The tracebacks of plugins' failures, for their authors."""

from __future__ import annotations

import logging

__all__ = ["TRACEBACKS"]

TRACEBACKS = logging.getLogger("dicom_common.host.tracebacks")
"""The logger that gets them, at the level debug. It is off, at any level of the others, until somebody sets a level of
its own: the text of a foreign exception may quote anything, a patient's name or a password too."""

TRACEBACKS.setLevel(logging.CRITICAL + 1)
