"""Single frames: what a worker is given of each, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dicom_common.codecs._coders import DECODERS, ENCODERS, available, named
from dicom_common.codecs._images import Image
from dicom_common.codecs._pixel_description import PixelDescription, within
from dicom_common.codecs._pool import Pool
from dicom_common.codecs._presentation_states import PresentationState
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._rendering import Picture, Rendering
from dicom_common.codecs._settings import CodecSettings
from dicom_common.core import DicomError

__all__ = ["DecodedFrame", "FrameCodec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedFrame:
    """Native pixels in little endian, as PS3.18 8.7.3.3.1 sends them, and what describes them.

    What was native is as it was stored: its planes, its shared chrominance, and whatever else its cells hold. What was
    compressed has all samples of a pixel together, and the colour space that its decoder gives.
    """

    data: bytes = field(repr=False)
    pixels: PixelDescription


class FrameCodec:
    """Decodes, encodes and renders frames in the workers of a pool. Thread-safe."""

    def __init__(self, settings: CodecSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool

    def decode(self, image: Image, frame: int) -> DecodedFrame:
        """Decode a frame; a native one needs no worker."""
        pixels = self._pixels(image)
        if not image.index.encapsulated:
            return DecodedFrame(data=self._stored(image, frame), pixels=pixels)
        return self.decode_data(self._stored(image, frame), image.instance.transfer_syntax_uid, pixels)

    def decode_data(self, data: bytes, uid: str, pixels: PixelDescription) -> DecodedFrame:
        """Decode the joined fragments of a frame."""
        self._require_within(pixels)
        told = {"task": "decode", "uid": uid, "decoders": _decoders(uid), "pixels": pixels.as_json()}
        answer, decoded = self._run(told, data)
        try:
            found = PixelDescription.from_json(answer["pixels"])
        except (KeyError, TypeError) as error:
            raise _nonsense() from error
        return DecodedFrame(data=decoded, pixels=found)

    def encode(self, decoded: DecodedFrame, uid: str) -> bytes:
        """Compress a decoded frame without loss."""
        told = {
            "task": "encode",
            "uid": uid,
            "encoders": available(ENCODERS.get(uid, ())),
            "pixels": decoded.pixels.as_json(),
            "verify": self._settings.verify_encoding,
        }
        return self._run(told, decoded.data)[1]

    def render(self, image: Image, frame: int, rendering: Rendering, state: PresentationState | None) -> Picture:
        """Render a frame, as it is or as a presentation state shows it."""
        pixels = self._pixels(image)
        uid = image.instance.transfer_syntax_uid
        told = {
            "task": "render",
            "uid": uid,
            "decoders": _decoders(uid) if image.index.encapsulated else [],
            "pixels": pixels.as_json(),
            "display": image.display(frame),
            "presentation": None if state is None else state.of(image, frame).as_json(),
            "rendering": rendering.as_json(),
            "max_pixels": self._settings.max_pixels,
        }
        answer, data = self._run(told, self._stored(image, frame))
        width, height = answer.get("width"), answer.get("height")
        if type(width) is not int or type(height) is not int:
            raise _nonsense()
        return Picture(media_type=rendering.media_type, data=data, width=width, height=height)

    def _pixels(self, image: Image) -> PixelDescription:
        self._require_within(image.pixels)
        return image.pixels

    def _require_within(self, pixels: PixelDescription) -> None:
        within(pixels, max_pixels=self._settings.max_pixels, max_bytes=self._settings.max_frame_bytes)

    def _stored(self, image: Image, frame: int) -> bytes:
        return image.stored_frame(frame, self._settings.max_frame_bytes)

    def _run(self, told: dict[str, Any], block: bytes) -> tuple[dict[str, Any], bytes]:
        """Run a task in a worker; what a worker answers is believed as little as the image that it had."""
        answer, data = self._pool.run(told, block)
        reason = answer.get("reason")
        if reason is None:
            return answer, bytes(data)
        if reason == CodecReason.OUT_OF_MEMORY:
            raise DicomError(
                CodecReason.OUT_OF_MEMORY,
                f"The frame needs more memory than codecs.max_memory ({self._settings.max_memory} bytes): raise it if "
                "such images are expected.",
            )
        message = answer.get("message") or "The frame cannot be decoded: it is damaged, or of an unusual kind."
        raise DicomError(str(reason), str(message))


def _decoders(uid: str) -> list[str]:
    found = available(DECODERS.get(uid, ()))
    if found:
        return found
    extra = next((coder.extra for coder in DECODERS.get(uid, ()) if coder.extra), None)
    cure = f"run `pip install dicom-common-codecs[{extra}]`" if extra else "no installable package decodes it"
    raise DicomError(CodecReason.NO_DECODER, f"No decoder for {named(uid)} is installed: {cure}.")


def _nonsense() -> DicomError:
    return DicomError(CodecReason.CRASHED, "The codec worker gave an invalid answer: reinstall dicom-common-codecs.")
