"""C-STORE as SCP: instances go through the ingest, byte for byte, and are acknowledged when they are safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from dicom_common.core import Origin
from dicom_common.dicom import TRANSFER_SYNTAXES, file_start, is_valid_uid
from dicom_common.dimse._peers import Permission
from dicom_common.dimse._receiving import Arriving, Incoming, Operation, Request, Response, Service, Tag
from dicom_common.dimse._settings import DimseSettings
from dicom_common.dimse._store._sop_classes import STORAGE_SOP_CLASSES
from dicom_common.pipeline import HELD, MOST_HELD, IngestReason, Received, Result, status_codes

__all__ = ["refusal_of", "store_service"]

_STEP: Final = 256 * 1024
"""Bytes that are collected before it is looked again how much is held; where too much is, all that is held of one."""
_CLASS_NOT_SUPPORTED: Final = 0x0122
_INVALID_INSTANCE: Final = 0x0117
_EMPTY: Final = 0xC001
_MOST_COMMENT: Final = 64
_ELEMENTS: Final = {
    IngestReason.OTHER_SOP_CLASS: 0x00080016,
    IngestReason.OTHER_SOP_INSTANCE: 0x00080018,
    IngestReason.OTHER_STUDY: 0x0020000D,
    IngestReason.OTHER_PATIENT: 0x00100020,
    IngestReason.UID_IN_OTHER_SERIES: 0x0020000E,
}
"""What a reason is about, for Offending Element (0000,0901)."""


def store_service(settings: DimseSettings) -> Service:
    """Return the service, with the SOP classes and transfer syntaxes that are configured."""
    return Service(
        name="store",
        abstract_syntaxes=STORAGE_SOP_CLASSES | set(settings.sop_classes),
        operations={Operation.C_STORE: _store},
        permission=Permission.STORE,
        transfer_syntaxes=(*TRANSFER_SYNTAXES, *settings.transfer_syntaxes),
        sends=True,
        any_abstract_syntax=settings.any_sop_class,
        any_transfer_syntax=settings.any_transfer_syntax,
    )


def _store(request: Request) -> Iterator[Response]:
    """Answer a C-STORE (PS3.4 B.2.3, PS3.7 9.1.1)."""
    class_uid = request.command.text(Tag.AFFECTED_SOP_CLASS)
    sop_uid = request.command.text(Tag.AFFECTED_SOP_INSTANCE)
    refused = refusal_of(class_uid, sop_uid, request.context.abstract_syntax)
    if refused is not None:
        yield _refusal(*refused)
    elif request.data is None:
        yield _refusal(_EMPTY, "The request has no data set.")
    else:
        yield _ingest(request, request.data, class_uid, sop_uid)


def refusal_of(class_uid: str, sop_uid: str, abstract_syntax: str) -> tuple[int, str] | None:
    """Return status and comment for a C-STORE request whose command names no instance; None: it names one.

    Args:
        class_uid: its Affected SOP Class UID.
        sop_uid: its Affected SOP Instance UID.
        abstract_syntax: that of its presentation context.
    """
    if class_uid != abstract_syntax:
        return _CLASS_NOT_SUPPORTED, "The SOP class is not that of the presentation context."
    if not is_valid_uid(sop_uid):
        return _INVALID_INSTANCE, "Affected SOP Instance UID is not a UID."
    return None


def _ingest(request: Request, data: Incoming, class_uid: str, sop_uid: str) -> Response:
    association = request.association
    peer = association.peer
    held = bytearray(
        file_start(class_uid, sop_uid, request.context.transfer_syntax, source_ae_title=association.calling)
    )
    counted = 0
    try:
        is_whole = False
        while not is_whole and len(held) <= MOST_HELD and not (counted and HELD.is_crowded):
            is_whole = data.collect(held, len(held) + _STEP)
            HELD.add(len(held) - counted)
            counted = len(held)
        if not data.size:
            return _refusal(_EMPTY, "The data set is empty.")
        received = Received(
            source=bytes(held) if is_whole else cast("BinaryIO", Arriving(held, data)),
            name=f"C-STORE {request.message_id}",
            origin=Origin(source="dimse", ae_title=association.calling, ip=peer.address, user=peer.user),
            sop_class_uid=class_uid,
            sop_uid=sop_uid,
        )
        (result,) = association.site.ingest.store([received], tenant=peer.tenant)
    finally:
        HELD.add(-counted)
    return _response(result)


def _refusal(status: int, comment: str) -> Response:
    return Response(status=status, elements={Tag.ERROR_COMMENT: comment[:_MOST_COMMENT]})


def _response(result: Result) -> Response:
    status = status_codes(result).c_store
    if status == 0:
        return Response(status=status)
    elements: dict[Tag, int | str | tuple[int, ...]] = {Tag.ERROR_COMMENT: _comment(result)}
    offending = next((tag for reason, tag in _ELEMENTS.items() if reason == result.reason), None)
    if offending is not None:
        elements[Tag.OFFENDING_ELEMENT] = (offending,)
    return Response(status=status, elements=elements)


def _comment(result: Result) -> str:
    """Return our own name of the reason: a message may have more in it than a peer should see."""
    why = result.reason or next((one.rule for one in result.warnings), "")
    return f"{why.replace('-', ' ')}{': send it again later' if result.retry else ''}"[:_MOST_COMMENT]
