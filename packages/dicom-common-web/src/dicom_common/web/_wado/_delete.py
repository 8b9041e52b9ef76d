"""Deleting a study, a series or an instance: no part of PS3.18, but what other servers have at the same paths."""

from __future__ import annotations

from starlette.responses import Response

from dicom_common.core import AuditKind, NotFoundError
from dicom_common.host import Action
from dicom_common.pipeline import remove
from dicom_common.web._auditing import audit_instances
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError
from dicom_common.web._wado._place import LEVELS, Place, place_of, stored_of

__all__ = ["DELETIONS"]


async def _delete(call: Call) -> Response:
    await call.site.lanes.store.run(_remove, call, place_of(call))
    return Response(None, 204)


def _remove(call: Call, place: Place) -> None:
    stored = stored_of(call, place)
    if call.request.headers.get("if-match", "*").strip() != "*":  # nothing here has an entity tag that could match
        raise HttpError(412, "The server cannot tell whether this is the version to delete: omit If-Match.")
    # Before: afterwards nothing tells whose study it was.
    audit_instances(call, AuditKind.STUDY_DELETED if place.series is None else AuditKind.INSTANCES_DELETED, stored)
    if not remove(call.site.services, call.tenant, *place):
        raise NotFoundError("The index has no such study, series or instance: search to list what exists.")


DELETIONS = tuple(
    Endpoint(path=path, method="DELETE", action=Action.DELETE, lane="store", handler=_delete, name=f"delete {path}")
    for path in LEVELS
)
