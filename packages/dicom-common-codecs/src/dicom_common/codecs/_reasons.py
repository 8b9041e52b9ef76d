"""Why pixel data could not be decoded, transcoded or rendered: the stable codes of the errors of this package."""

from __future__ import annotations

from enum import StrEnum

from dicom_common.core import DicomError

__all__ = ["CodecReason", "not_presentable"]


class CodecReason(StrEnum):
    """The `reason` of every `DicomError` that this package adds to those of dicom-common-dicom."""

    NOT_AN_IMAGE = "not-an-image"
    """The instance has no pixel data, or lacks an attribute without which pixels mean nothing."""
    NO_SUCH_FRAME = "no-such-frame"
    """The frame number is not one of those that the instance has."""
    NO_DECODER = "no-decoder"
    """No decoder for the transfer syntax is installed, or there is none; the message names the extra."""
    NO_ENCODER = "no-encoder"
    """The same for an encoder."""
    LOSSY_TARGET = "lossy-target"
    """The transfer syntax that was asked for would lose information."""
    UNSUPPORTED = "unsupported"
    """The pixel data or the data set is of a kind that this package does not convert."""
    OUTSIDE = "outside"
    """The viewport shows no part of the image."""
    NOT_PRESENTABLE = "not-presentable"
    """The presentation state cannot be shown wholly, or is not for the image; the message says why."""
    UNDECODABLE = "undecodable-frame"
    """The decoder refuses the frame, or what it gives is not what the attributes describe."""
    HEADER_DIFFERS = "header-differs"
    """The header of the compressed image and the attributes of the instance describe different images."""
    TOO_LARGE = "too-large"
    """A limit of the settings is exceeded: `max_pixels` or `max_frame_bytes`."""
    TIMEOUT = "timeout"
    """The work took longer than `max_seconds`, or more processor time than `max_cpu_seconds`."""
    OUT_OF_MEMORY = "out-of-memory"
    """The work needed more than `max_memory`."""
    CRASHED = "crashed"
    """The worker process died of this image."""


def not_presentable(why: str) -> DicomError:
    """Make the error for a presentation state that is not shown, because a picture that lacks a part could mislead.

    Args:
        why: a main clause, without anything of the data set.
    """
    return DicomError(CodecReason.NOT_PRESENTABLE, f"The presentation state cannot be applied: {why}.")
