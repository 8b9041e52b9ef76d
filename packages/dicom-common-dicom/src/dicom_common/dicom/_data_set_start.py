"""Where the data set of an object begins: what stands before it does not go over a network (PS3.8 annex F)."""

from __future__ import annotations

from typing import Final

from dicom_common.dicom._file_meta import read_file_meta
from dicom_common.dicom._findings import Findings
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._window import Window

__all__ = ["data_set_offset"]

_SETTINGS: Final = ReaderSettings(accept_unknown_transfer_syntaxes=True)


def data_set_offset(beginning: bytes) -> int:
    """Return how many bytes preamble and File Meta Information take; 0 where there are none.

    Args:
        beginning: the first bytes of an object that `read` takes, 64 KiB or all of it. A File Meta Information may have
            up to 1 MiB, and has to be there as a whole, with the beginning of the data set.

    Raises:
        DicomError: it is no DICOM, or the File Meta Information goes on behind these bytes.
    """
    return read_file_meta(Window(beginning), _SETTINGS, Findings()).data_set_offset
