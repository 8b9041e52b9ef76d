"""In which transfer syntaxes and media types a stored instance can go out (PS3.18 8.6.2.1, 8.7.3)."""

from __future__ import annotations

from dicom_common.codecs import Codecs
from dicom_common.core import Stored
from dicom_common.dicom import transfer_syntax
from dicom_common.web._negotiation import Offer

__all__ = ["DICOM", "EXPLICIT", "OCTETS", "decodes", "dicom_offers", "may_go_out", "pixel_offers"]

DICOM, OCTETS = "application/dicom", "application/octet-stream"
EXPLICIT = "1.2.840.10008.1.2.1"
_ENCODED = ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201")
"""What an instance may be encoded as on request: all of them keep every pixel."""


def may_go_out(uid: str) -> bool:
    """Tell whether DICOMweb may send a transfer syntax: never implicit VR, never big endian (PS3.18 8.6.2.1)."""
    syntax = transfer_syntax(uid)
    return syntax is None or not (syntax.implicit_vr or syntax.big_endian)


def decodes(codecs: Codecs, uid: str) -> bool:
    """Tell whether pixels can be had of a transfer syntax, and with them explicit VR little endian."""
    syntax = transfer_syntax(uid)
    if syntax is None or syntax.video or syntax.referenced:
        return False
    return not syntax.encapsulated or codecs.can_decode(uid)


def dicom_offers(codecs: Codecs, stored: Stored, *, single: bool) -> list[Offer]:
    """Return in which ways an instance can go out as DICOM: as it is stored first.

    Without a transfer syntax the client gets explicit VR little endian, but of what is lossy, or cannot be converted at
    all, what is stored (PS3.18 8.7.3).

    Args:
        codecs: what converts.
        stored: the instance.
        single: whether it may be a body of its own, without `multipart/related`.
    """
    uid = stored.transfer_syntax_uid
    syntax = transfer_syntax(uid)
    kept = syntax is None or syntax.lossy or syntax.video or syntax.referenced
    converts = uid != EXPLICIT and decodes(codecs, uid)
    syntaxes: list[tuple[str, bool]] = []
    if may_go_out(uid):
        syntaxes.append((uid, uid == EXPLICIT or kept))
    if converts:
        syntaxes.append((EXPLICIT, not kept))
    if (converts or uid == EXPLICIT) and not kept:
        syntaxes += [(target, False) for target in _ENCODED if target != uid and codecs.can_encode(target)]
    return [
        Offer(media_type=DICOM, multipart=multipart, transfer_syntax=one, default=default)
        for multipart in ((True, False) if single else (True,))
        for one, default in syntaxes
    ]


def pixel_offers(codecs: Codecs, uid: str, *, encapsulated: bool, single: bool) -> list[Offer]:
    """Return in which ways frames can go out: as little endian pixels first, then compressed as they are.

    Args:
        codecs: what decodes.
        uid: the transfer syntax.
        encapsulated: whether the frames are compressed.
        single: whether there is one frame, so that it may be a body of its own.
    """
    syntax = transfer_syntax(uid)
    media_type = syntax.media_type if syntax is not None else None
    types: list[tuple[str, str]] = []
    if not encapsulated or media_type == OCTETS or codecs.can_decode(uid):
        types.append((OCTETS, EXPLICIT))
    if encapsulated and media_type not in (None, OCTETS):
        types.append((str(media_type), uid))
    return [
        Offer(media_type=media_type, multipart=multipart, transfer_syntax=one)
        for multipart in ((True, False) if single else (True,))
        for media_type, one in types
    ]
