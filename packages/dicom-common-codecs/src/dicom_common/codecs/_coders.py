"""Which library decodes and encodes which transfer syntax, and which extra brings it. Nothing is imported to tell."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from typing import Final, NamedTuple

from dicom_common.dicom import transfer_syntax

__all__ = ["DECODERS", "ENCODERS", "EXPLICIT", "Coder", "Missing", "available", "missing", "named"]

EXPLICIT: Final = "1.2.840.10008.1.2.1"
_ROOT: Final = "1.2.840.10008.1.2."


class Coder(NamedTuple):
    """A way to decode or to encode."""

    name: str
    modules: tuple[str, ...]
    """What it imports."""
    extra: str | None = None
    """The extra of this package that installs it; None: it is always there."""

    def is_installed(self) -> bool:
        """Tell whether its modules are there."""
        return all(map(_is_there, self.modules))


class Missing(NamedTuple):
    """A transfer syntax that cannot be decoded, or not be encoded, as things are installed."""

    uid: str
    name: str
    action: str
    """`decode` or `encode`."""
    extra: str
    """The extra that would bring it."""


@cache
def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


_NATIVE: Final = Coder("native", ())
_DEFLATE: Final = Coder("deflate", ())
_RLE: Final = Coder("pydicom", ())
_PILLOW: Final = Coder("pillow", ())
_GDCM: Final = Coder("gdcm", ("gdcm",), "gdcm")
_JPEGLS: Final = Coder("pyjpegls", ("jpeg_ls",), "jpegls")
_OPENJPEG: Final = Coder("pylibjpeg", ("pylibjpeg", "openjpeg"), "jpeg2000")
_IMAGECODECS_JPEG: Final = Coder("imagecodecs-jpeg", ("imagecodecs",), "imagecodecs")
_IMAGECODECS_JXL: Final = Coder("imagecodecs-jpegxl", ("imagecodecs",), "imagecodecs")

DECODERS: Final[dict[str, tuple[Coder, ...]]] = {
    _ROOT + "1.98": (_NATIVE,),
    _ROOT + "4.50": (_PILLOW,),
    _ROOT + "4.51": (_PILLOW, _IMAGECODECS_JPEG),
    _ROOT + "4.57": (_GDCM,),
    _ROOT + "4.70": (_GDCM,),
    _ROOT + "4.80": (_JPEGLS, _GDCM),
    _ROOT + "4.81": (_JPEGLS, _GDCM),
    _ROOT + "4.90": (_OPENJPEG, _GDCM),
    _ROOT + "4.91": (_OPENJPEG, _GDCM),
    _ROOT + "4.110": (_IMAGECODECS_JXL,),
    _ROOT + "4.111": (_IMAGECODECS_JXL,),
    _ROOT + "4.112": (_IMAGECODECS_JXL,),
    _ROOT + "4.201": (_OPENJPEG,),
    _ROOT + "4.202": (_OPENJPEG,),
    _ROOT + "4.203": (_OPENJPEG,),
    _ROOT + "5": (_RLE,),
    _ROOT + "8.1": (_DEFLATE,),
}
"""By transfer syntax, the best first. Pixel data that is not encapsulated needs none."""

ENCODERS: Final[dict[str, tuple[Coder, ...]]] = {
    _ROOT + "4.80": (_JPEGLS,),
    _ROOT + "4.90": (_OPENJPEG,),
    _ROOT + "5": (_RLE,),
}
"""Lossless ones only."""


def available(coders: Iterable[Coder]) -> list[str]:
    """Name those that are installed."""
    return [coder.name for coder in coders if coder.is_installed()]


def missing() -> list[Missing]:
    """Give what an extra would add."""
    found = []
    for action, table in (("decode", DECODERS), ("encode", ENCODERS)):
        for uid, coders in table.items():
            syntax, extra = transfer_syntax(uid), coders[0].extra or coders[-1].extra
            # A 12-bit JPEG is what Pillow leaves to imagecodecs, so that one there is not enough.
            absent = not available(coders) or (uid == _ROOT + "4.51" and not coders[-1].is_installed())
            if absent and extra and syntax:
                found.append(Missing(uid, syntax.name, action, extra))
    return found


def named(uid: str) -> str:
    """Give the name of a transfer syntax, for a message: of an unknown one that it is unknown."""
    syntax = transfer_syntax(uid)
    return "an unknown transfer syntax" if syntax is None else syntax.name
