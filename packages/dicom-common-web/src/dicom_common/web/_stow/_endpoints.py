"""`POST /studies` and `POST /studies/{study}` (PS3.18 10.5)."""

from __future__ import annotations

import logging
import re
from email.message import Message

import anyio
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from dicom_common.host import Action
from dicom_common.pipeline import Result
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError
from dicom_common.web._negotiation import accepted_by
from dicom_common.web._stow._answer import OFFERS, answer
from dicom_common.web._stow._body import body_of
from dicom_common.web._stow._intake import Intake, Outcome
from dicom_common.web._stow._parts import END, Head, MultipartError, PartParser

__all__ = ["STOW", "TAKES"]

_log = logging.getLogger(__name__)
_DICOM = "application/dicom"
# RFC 2046 5.1.1 permits a sender 70 characters; those of Orthanc have 73, and longer ones are as easy to find.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,255}[0-9A-Za-z'()+_,./:=?-]")
_USUAL_TYPE = re.compile(r'multipart/related; ?type="application/dicom"; ?boundary=("?)([0-9A-Za-z_.-]{1,256})\1')
TAKES = 'multipart/related; type="application/dicom", application/dicom'
_PLAIN_ENCODINGS = ("", "binary", "7bit", "8bit")


async def _store(call: Call) -> Response:
    study_uid = call.uid("study") if "study" in call.request.path_params else None
    media_type = accepted_by(call.request).require(OFFERS).media_type
    boundary = _boundary(call)
    outcomes: list[Outcome] = []
    error: HttpError | ClientDisconnect | None = None
    async with anyio.create_task_group() as tasks:
        intake = Intake(call, study_uid, tasks)
        try:
            try:
                if boundary is None:
                    await _take_one(call, intake)
                else:
                    await _take_parts(call, intake, PartParser(boundary))
            except (HttpError, ClientDisconnect) as raised:
                # It is raised behind the task group, which would wrap it.
                error = raised
                intake.break_off()
            outcomes = await intake.finish()
        finally:
            intake.close()
    call.site.metrics.count_stores(outcomes)
    if call.site.tracing is not None:
        call.site.tracing.tell_stores(str(one.status) if isinstance(one, Result) else "not-read" for one in outcomes)
    for one in outcomes:
        if isinstance(one, Result) and one.reason.endswith("-failed"):  # the answer has a code for it and no words
            _log.error("an instance was not stored: %s", one.message)
    try:
        if error is not None:
            raise error
    finally:
        del error  # its traceback has this frame: what came would stay until the garbage collector comes
    if not outcomes:
        raise HttpError(400, "The request has no instance: send each as a part of the body.")
    return answer(outcomes, call.service_root, media_type)


def _boundary(call: Call) -> bytes | None:
    """Return the boundary of a multipart body; None where the body is one instance.

    Raises:
        HttpError: 400, the boundary is missing or invalid, or a parameter is repeated; 415, the body is of another
            media type.
    """
    sent = call.request.headers.getlist("content-type")
    if len(sent) != 1:
        raise _unsupported()
    if (usual := _USUAL_TYPE.fullmatch(sent[0])) is not None:
        return usual[2].encode("ascii")
    # It reads what clients write: boundaries with an equals sign and without quotation marks, too.
    header = Message()
    header["content-type"] = sent[0]
    names = [name.lower() for name, _ in header.get_params([])[1:] if name]
    if len(set(names)) < len(names):
        # Two readers that choose differently, such as a proxy that inspects the body, would see different instances.
        raise HttpError(400, "A parameter of Content-Type is repeated: give each once.")
    media_type = header.get_content_type()
    if media_type == _DICOM:
        return None
    root = str(header.get_param("type", _DICOM)).partition(";")[0].strip().lower()
    if media_type != "multipart/related" or root != _DICOM:
        raise _unsupported()
    boundary = str(header.get_param("boundary", ""))
    if _BOUNDARY.fullmatch(boundary) is None:
        raise HttpError(
            400, "Content-Type has no boundary of 1 to 256 characters of those that RFC 2046 5.1.1 permits."
        )
    return boundary.encode("ascii")


async def _take_one(call: Call, intake: Intake) -> None:
    is_begun = False
    async for piece in body_of(call.request, call.site.settings):
        if not is_begun:
            intake.begin(is_supported=True)
            is_begun = True
        await intake.add(piece)
    if is_begun:
        await intake.end()


async def _take_parts(call: Call, intake: Intake, parser: PartParser) -> None:
    number, most = 0, call.site.settings.max_parts
    try:
        async for piece in body_of(call.request, call.site.settings):
            for event in parser.feed(piece):
                if isinstance(event, bytes):
                    await intake.add(event)
                elif event is END:
                    await intake.end()
                elif isinstance(event, Head):
                    number += 1
                    if number > most:
                        raise HttpError(413, f"The body has more than {most} parts: send fewer instances in a request.")
                    intake.begin(is_supported=_is_supported(event))
    except MultipartError as error:
        raise HttpError(400, str(error)) from None
    if not parser.is_complete:
        raise HttpError(400, "The body ends before its closing boundary: the last part was not stored.")


def _is_supported(head: Head) -> bool:
    encoding = head.headers.get("content-transfer-encoding", "").strip().lower()
    media_type = head.headers.get("content-type", _DICOM).partition(";")[0].strip().lower()
    return media_type == _DICOM and encoding in _PLAIN_ENCODINGS


def _unsupported() -> HttpError:
    return HttpError(
        415, f"The body has to be {TAKES}: metadata with bulk data is not supported.", {"accept-post": TAKES}
    )


# No lane: a request is not at work while its sender is slow. Each instance takes its turn when it has come.
STOW = tuple(
    Endpoint(
        path=path,
        method="POST",
        action=Action.STORE,
        lane=None,
        handler=_store,
        name="store",
        takes=("multipart/related", _DICOM),
        gives=tuple(one.media_type for one in OFFERS),
    )
    for path in ("/studies", "/studies/{study}")
)
