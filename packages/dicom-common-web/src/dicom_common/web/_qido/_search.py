"""The search transaction (PS3.18 10.6): its resources, its answers, its warnings."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from dicom_common.host import Action
from dicom_common.web._auditing import audit_search
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._negotiation import Offer, accepted_by
from dicom_common.web._parameters import query_pairs
from dicom_common.web._qido._answer import search
from dicom_common.web._qido._request import SearchRequest, parse_search
from dicom_common.web._qido._resources import RESOURCES, Resource

__all__ = ["SEARCHES"]

_OFFERS = (Offer(media_type="application/dicom+json"), Offer(media_type="application/json"))
_AGENT = "dicom-common"
_PARENTS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}


async def _search(call: Call, *, resource: Resource) -> Response:
    accepted = accepted_by(call.request).require(_OFFERS)
    parents = [(_PARENTS[name], call.uid(name)) for name in call.request.path_params]
    request = parse_search(resource, call.tenant, query_pairs(call.request), parents, call.site.settings)
    audit_search(call)
    answer = await call.site.lanes.search.run(search, call.site.services.db, request, call.service_root)
    warnings = [*_ignored(request)]
    if answer.remaining:
        warnings.append(f"There are {answer.remaining} additional results that can be requested")
    headers = {"warning": ", ".join(f'299 {_AGENT} "{warning}"' for warning in warnings)} if warnings else {}
    if not answer.objects and call.site.settings.no_matches == "204":
        return Response(None, 204, headers)
    body = b"[" + b",\n".join(answer.objects) + b"]"
    return Response(body, 200, {**headers, "content-type": accepted.media_type})


def _ignored(request: SearchRequest) -> list[str]:
    """Return a warning for each key that did not count; all of them are attributes, so their names are safe."""
    return [f"The attribute {key} is not supported for matching and was ignored" for key in request.query.ignored]


SEARCHES = tuple(
    Endpoint(
        path=resource.path,
        method="GET",
        action=Action.SEARCH,
        lane="search",
        handler=partial(_search, resource=resource),
        name=f"search {resource.path}",
    )
    for resource in RESOURCES
)
