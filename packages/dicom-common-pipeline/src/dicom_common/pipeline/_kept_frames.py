"""What the index keeps of the frames of an instance: their places, or why there are none to be found.

The places are those of `FrameIndex.to_bytes`, whose first byte is its version. Behind a first byte of 0 stands the
reason why there are no frames: so that the object is not read again to find that out.
"""

from __future__ import annotations

import os
from typing import Final

from dicom_common.core import DicomError, Instance
from dicom_common.dicom import FrameIndex, ReadRange, Reason, index_frames, transfer_syntax

__all__ = ["frames_to_keep", "kept_index", "may_keep"]

_NONE: Final = b"\0"
_LASTING: Final = (Reason.NO_PIXEL_DATA, Reason.NO_FRAMES, Reason.TRUNCATED, Reason.MALFORMED)
"""Reasons that follow from the bytes and not from a limit."""


class _UnreadError(Exception):
    """Where frames lie cannot be known without reading the object."""


def may_keep(transfer_syntax_uid: str) -> bool:
    """Tell whether the places of frames are kept for a transfer syntax.

    Not for a deflated one, whose object is inflated as a whole whatever is known of it, and not for big endian pixels,
    of which the places alone do not tell how they are turned round.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    return syntax is None or not (syntax.deflated or syntax.big_endian_pixels)


def frames_to_keep(instance: Instance, source: bytes | os.PathLike[str] | ReadRange | None) -> bytes:
    """Return what the index is to keep; empty: it is not known.

    Args:
        instance: its record.
        source: the object, its file, or what reads ranges of it. None: the object is not at hand; then native pixel
            data (PS3.5 8.1) is found, and nothing else.
    """
    if not may_keep(instance.transfer_syntax_uid):
        return b""
    try:
        return index_frames(_unread if source is None else source, instance).to_bytes()
    except DicomError as error:
        return _NONE + error.reason.encode() if error.reason in _LASTING else b""
    except Exception:  # noqa: BLE001 - an instance that can be taken is not refused for its frames
        return b""


def kept_index(kept: bytes) -> FrameIndex | None:
    """Return what is kept; None where nothing is, or nothing that this version can read.

    Raises:
        DicomError: it is kept that there are no frames, and for what reason.
    """
    if kept[:1] == _NONE:
        reason = kept[1:].decode("ascii", "replace")
        raise DicomError(reason, f"The instance has no frames that can be found ({reason}).")
    try:
        return FrameIndex.from_bytes(kept) if kept else None
    except ValueError:
        return None


def _unread(_: int, __: int) -> bytes:
    raise _UnreadError
