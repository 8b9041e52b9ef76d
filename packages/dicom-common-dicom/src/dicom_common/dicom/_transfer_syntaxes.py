"""The transfer syntaxes of the standard (PS3.5 10 and annex A, PS3.6 table A-1) and what follows from each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["TRANSFER_SYNTAXES", "TransferSyntax", "transfer_syntax"]

_ROOT: Final = "1.2.840.10008.1.2"
_OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSyntax:
    """One transfer syntax. Data sets are explicit VR little endian, except where a flag says otherwise."""

    uid: str
    name: str
    implicit_vr: bool = False
    """The data set has no VRs: they come from the dictionary (PS3.5 A.1)."""
    big_endian: bool = False
    big_endian_pixels: bool = False
    """The words of native Pixel Data are big endian, whatever the others are."""
    deflated: bool = False
    """The whole data set behind the File Meta is one deflate stream (PS3.5 A.5, A.7, A.12)."""
    encapsulated: bool = False
    """Pixel Data is a sequence of fragments (PS3.5 A.4)."""
    lossy: bool = False
    """Pixel data may have lost information; whether it has is said by Lossy Image Compression (0028,2110)."""
    video: bool = False
    """The fragments are one stream: frames cannot be taken out of it by their offsets (PS3.5 8.2.5 to 8.2.8)."""
    referenced: bool = False
    """Pixel data is elsewhere, named by Pixel Data Provider URL (0028,7FE0) (PS3.5 A.6)."""
    retired: bool = False
    private: bool = False
    """Not of the standard, but known from the field."""
    media_type: str | None = None
    """The media type of a frame or of bulk pixel data in DICOMweb (PS3.18 8.7.3.3). None: only decoded, as octets."""


def _native(suffix: str, name: str, **flags: bool) -> TransferSyntax:
    return TransferSyntax(uid=_ROOT + suffix, name=name, media_type=_OCTETS, **flags)


def _encapsulated(suffix: str, name: str, media_type: str | None, **flags: bool) -> TransferSyntax:
    return TransferSyntax(uid=_ROOT + suffix, name=name, encapsulated=True, media_type=media_type, **flags)


def _retired_jpeg(number: int, name: str) -> TransferSyntax:
    return _encapsulated(f".4.{number}", name, "image/jpeg", lossy="Lossless" not in name, retired=True)


def _video(suffix: str, name: str, media_type: str) -> tuple[TransferSyntax, TransferSyntax]:
    """Make a video syntax and its twin, which may be cut into several fragments (PS3.5 A.4.5 to A.4.8)."""
    return (
        _encapsulated(f".4.{suffix}", name, media_type, lossy=True, video=True),
        _encapsulated(f".4.{suffix}.1", f"Fragmentable {name}", media_type, lossy=True, video=True),
    )


_ALL: Final = (
    _native("", "Implicit VR Little Endian", implicit_vr=True),
    _native(".1", "Explicit VR Little Endian"),
    _encapsulated(".1.98", "Encapsulated Uncompressed Explicit VR Little Endian", _OCTETS),
    _native(".1.99", "Deflated Explicit VR Little Endian", deflated=True),
    _native(".2", "Explicit VR Big Endian", big_endian=True, big_endian_pixels=True, retired=True),
    _encapsulated(".4.50", "JPEG Baseline (Process 1)", "image/jpeg", lossy=True),
    _encapsulated(".4.51", "JPEG Extended (Process 2 and 4)", "image/jpeg", lossy=True),
    _retired_jpeg(52, "JPEG Extended (Process 3 and 5)"),
    _retired_jpeg(53, "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)"),
    _retired_jpeg(54, "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)"),
    _retired_jpeg(55, "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)"),
    _retired_jpeg(56, "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)"),
    _encapsulated(".4.57", "JPEG Lossless, Non-Hierarchical (Process 14)", "image/jpeg"),
    _retired_jpeg(58, "JPEG Lossless, Non-Hierarchical (Process 15)"),
    _retired_jpeg(59, "JPEG Extended, Hierarchical (Process 16 and 18)"),
    _retired_jpeg(60, "JPEG Extended, Hierarchical (Process 17 and 19)"),
    _retired_jpeg(61, "JPEG Spectral Selection, Hierarchical (Process 20 and 22)"),
    _retired_jpeg(62, "JPEG Spectral Selection, Hierarchical (Process 21 and 23)"),
    _retired_jpeg(63, "JPEG Full Progression, Hierarchical (Process 24 and 26)"),
    _retired_jpeg(64, "JPEG Full Progression, Hierarchical (Process 25 and 27)"),
    _retired_jpeg(65, "JPEG Lossless, Hierarchical (Process 28)"),
    _retired_jpeg(66, "JPEG Lossless, Hierarchical (Process 29)"),
    _encapsulated(
        ".4.70",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
        "image/jpeg",
    ),
    _encapsulated(".4.80", "JPEG-LS Lossless Image Compression", "image/jls"),
    _encapsulated(".4.81", "JPEG-LS Lossy (Near-Lossless) Image Compression", "image/jls", lossy=True),
    _encapsulated(".4.90", "JPEG 2000 Image Compression (Lossless Only)", "image/jp2"),
    _encapsulated(".4.91", "JPEG 2000 Image Compression", "image/jp2", lossy=True),
    _encapsulated(".4.92", "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)", "image/jpx"),
    _encapsulated(".4.93", "JPEG 2000 Part 2 Multi-component Image Compression", "image/jpx", lossy=True),
    TransferSyntax(uid=_ROOT + ".4.94", name="JPIP Referenced", lossy=True, referenced=True),
    TransferSyntax(uid=_ROOT + ".4.95", name="JPIP Referenced Deflate", deflated=True, lossy=True, referenced=True),
    *_video("100", "MPEG2 Main Profile / Main Level", "video/mpeg"),
    *_video("101", "MPEG2 Main Profile / High Level", "video/mpeg"),
    *_video("102", "MPEG-4 AVC/H.264 High Profile / Level 4.1", "video/mp4"),
    *_video("103", "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1", "video/mp4"),
    *_video("104", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video", "video/mp4"),
    *_video("105", "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video", "video/mp4"),
    *_video("106", "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2", "video/mp4"),
    _encapsulated(".4.107", "HEVC/H.265 Main Profile / Level 5.1", "video/mp4", lossy=True, video=True),
    _encapsulated(".4.108", "HEVC/H.265 Main 10 Profile / Level 5.1", "video/mp4", lossy=True, video=True),
    _encapsulated(".4.110", "JPEG XL Lossless", "image/jxl"),
    # Recompression keeps every coefficient of a JPEG image, which was lossy before.
    _encapsulated(".4.111", "JPEG XL JPEG Recompression", "image/jxl", lossy=True),
    _encapsulated(".4.112", "JPEG XL", "image/jxl", lossy=True),
    _encapsulated(".4.201", "High-Throughput JPEG 2000 Image Compression (Lossless Only)", "image/jphc"),
    _encapsulated(
        ".4.202", "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)", "image/jphc"
    ),
    _encapsulated(".4.203", "High-Throughput JPEG 2000 Image Compression", "image/jphc", lossy=True),
    TransferSyntax(uid=_ROOT + ".4.204", name="JPIP HTJ2K Referenced", lossy=True, referenced=True),
    TransferSyntax(
        uid=_ROOT + ".4.205", name="JPIP HTJ2K Referenced Deflate", deflated=True, lossy=True, referenced=True
    ),
    _encapsulated(".5", "RLE Lossless", "image/dicom-rle"),
    TransferSyntax(uid=_ROOT + ".6.1", name="RFC 2557 MIME encapsulation", retired=True),
    TransferSyntax(uid=_ROOT + ".6.2", name="XML Encoding", retired=True),
    # The three of PS3.22 describe real-time flows; an instance in one of them has no pixel data of its own.
    TransferSyntax(uid=_ROOT + ".7.1", name="SMPTE ST 2110-20 Uncompressed Progressive Active Video", video=True),
    TransferSyntax(uid=_ROOT + ".7.2", name="SMPTE ST 2110-20 Uncompressed Interlaced Active Video", video=True),
    TransferSyntax(uid=_ROOT + ".7.3", name="SMPTE ST 2110-30 PCM Digital Audio", video=True),
    _encapsulated(".8.1", "Deflated Image Frame Compression", None),
    TransferSyntax(
        uid="1.2.840.10008.1.20", name="Papyrus 3 Implicit VR Little Endian", implicit_vr=True, retired=True
    ),
    TransferSyntax(
        uid="1.2.840.113619.5.2",
        name="GE Private Implicit VR Big Endian",
        implicit_vr=True,
        big_endian_pixels=True,
        private=True,
    ),
)

TRANSFER_SYNTAXES: Final = {syntax.uid: syntax for syntax in _ALL}
"""Every transfer syntax that is known, by its UID, in the order of the UIDs of PS3.6 table A-1."""


def transfer_syntax(uid: str) -> TransferSyntax | None:
    """Look a transfer syntax up by its UID; None where it is neither of the standard nor known from the field.

    An unknown one is best taken as explicit VR little endian, which all newer ones are, or not taken apart at all.
    """
    return TRANSFER_SYNTAXES.get(uid)
