"""Frames as they go out: as they are stored, or decoded to pixels (PS3.18 8.7.3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dicom_common.core import Stored
from dicom_common.pipeline import Frames
from dicom_common.web._call import Call
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Offer
from dicom_common.web._wado._converted import ranges_of
from dicom_common.web._wado._offers import OCTETS
from dicom_common.web._wado._place import location_of

__all__ = ["frame_bytes", "frame_parts", "frame_type"]


def frame_bytes(call: Call, frames: Frames, numbers: Iterable[int], offer: Offer) -> Iterator[bytes]:
    """Iterate over frames in the form that was chosen, each whole.

    Raises:
        IndexError: there is no frame of one of the numbers.
        DicomError: a frame cannot be decoded.
    """
    stored: Stored = frames.stored
    is_stored_so = not frames.encapsulated or offer.media_type != OCTETS or _is_uncompressed(frames)
    if is_stored_so:
        return frames.read_several(numbers)
    return _decoded(call, stored, numbers)


def _is_uncompressed(frames: Frames) -> bool:
    return frames.transfer_syntax_uid == "1.2.840.10008.1.2.1.98"


def _decoded(call: Call, stored: Stored, numbers: Iterable[int]) -> Iterator[bytes]:
    codecs = call.site.codecs
    with codecs.open(ranges_of(call.site.services.storage, stored)) as image:
        for number in numbers:
            yield codecs.decode_frame(image, number).data


def frame_parts(call: Call, frames: Frames, numbers: list[int], offer: Offer) -> Iterator[Part]:
    """Iterate over frames as parts, in the order of their numbers as given."""
    place = location_of(call, frames.stored)
    data = frame_bytes(call, frames, numbers, offer)
    for number, one in zip(numbers, data, strict=True):
        headers = {"Content-Type": frame_type(offer), "Content-Location": f"{place}/frames/{number}"}
        yield Part(headers, iter((one,)))


def frame_type(offer: Offer) -> str:
    """Return the content type of a frame: a compressed one says how."""
    if offer.media_type == OCTETS:
        return OCTETS
    return f"{offer.media_type}; transfer-syntax={offer.transfer_syntax}"
