"""Pixel data decoded, transcoded and rendered, each frame in a worker process with limits."""

from dicom_common.codecs._codecs import Codecs
from dicom_common.codecs._coders import Missing
from dicom_common.codecs._frames import DecodedFrame
from dicom_common.codecs._images import Image
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._presentation_states import PresentationState, ReferencedImage
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._rendering import MediaType, Picture, Rendering, Viewport, Window, WindowShape
from dicom_common.codecs._settings import CodecSettings
from dicom_common.codecs._sources import Ranges, Source

__all__ = [
    "CodecReason",
    "CodecSettings",
    "Codecs",
    "DecodedFrame",
    "Image",
    "MediaType",
    "Missing",
    "Picture",
    "PixelDescription",
    "PresentationState",
    "Ranges",
    "ReferencedImage",
    "Rendering",
    "Source",
    "Viewport",
    "Window",
    "WindowShape",
]
