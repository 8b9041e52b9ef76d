"""What a worker can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dicom_common.codecs._colour import rgb
from dicom_common.codecs._decoding import decoded
from dicom_common.codecs._encoding import encoded
from dicom_common.codecs._grey import grey_levels, presented_levels
from dicom_common.codecs._messages import Message
from dicom_common.codecs._native_pixels import samples_of
from dicom_common.codecs._pictures import picture
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._presentation import Presentation
from dicom_common.codecs._presented import presented_picture
from dicom_common.codecs._rendering import Rendering

__all__ = ["TASKS"]


def _decode(told: dict[str, Any], block: memoryview) -> Message:
    data, pixels = decoded(block, told["uid"], told["decoders"], PixelDescription.from_json(told["pixels"]))
    return {"pixels": pixels.as_json()}, data


def _encode(told: dict[str, Any], block: memoryview) -> Message:
    pixels = PixelDescription.from_json(told["pixels"])
    return {}, encoded(block, told["uid"], told["encoders"], pixels, verify=told["verify"])


def _render(told: dict[str, Any], block: memoryview) -> Message:
    pixels = PixelDescription.from_json(told["pixels"])
    data: memoryview | bytes = block
    if told["decoders"]:
        data, pixels = decoded(block, told["uid"], told["decoders"], pixels)
    array, display = samples_of(data, pixels), told["display"]
    rendering = Rendering.from_json(told["rendering"])
    if told["presentation"] is not None:
        presentation = Presentation.from_json(told["presentation"])
        levels = presented_levels(array, pixels, presentation.display)
        found = presented_picture(levels, display, presentation, rendering, told["max_pixels"])
        return {"width": found.width, "height": found.height}, found.data
    if pixels.photometric.startswith("MONOCHROME") and pixels.samples == 1:
        levels = grey_levels(array, pixels, display, rendering.window)
    else:
        levels = rgb(array, pixels, display)
    found = picture(levels, display, rendering, told["max_pixels"])
    return {"width": found.width, "height": found.height}, found.data


TASKS: Final[dict[str, Callable[[dict[str, Any], memoryview], Message]]] = {
    "decode": _decode,
    "encode": _encode,
    "render": _render,
}
