"""The search transaction (PS3.18 10.6): its resources, its answers, its warnings."""

from __future__ import annotations

import json
from functools import partial

from starlette.responses import Response

from dicom_common.core import Level
from dicom_common.host import Action
from dicom_common.web._auditing import audit_search
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._links import link_of
from dicom_common.web._multipart import Part, multipart_type, new_boundary, write_multipart
from dicom_common.web._negotiation import Offer, accepted_by
from dicom_common.web._parameters import query_pairs
from dicom_common.web._qido._answer import Answer, search, search_briefly
from dicom_common.web._qido._request import OPTIONS, SearchRequest, matching_keys, parse_search
from dicom_common.web._qido._resources import RESOURCES, Resource
from dicom_common.web._xml import to_xml

__all__ = ["OFFERS", "SEARCHES"]

_XML = Offer(media_type="application/dicom+xml", multipart=True)
OFFERS = (Offer(media_type="application/dicom+json"), Offer(media_type="application/json"), _XML)
_AGENT = "dicom-common"
_PARENTS = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}


async def _search(call: Call, *, resource: Resource) -> Response:
    pairs = query_pairs(call.request)
    accepted = accepted_by(call.request, pairs).require(OFFERS)
    parents = [(_PARENTS[name], call.uid(name)) for name in call.request.path_params]
    counts = Level.PATIENT
    if link_of(call.request) is not None:  # it shows one study, or one series, and not how many others there are
        counts = Level.SERIES if "series" in call.request.path_params else Level.STUDY
    request = parse_search(resource, call.tenant, pairs, parents, call.site.settings, counts=counts)
    audit_search(call)
    lanes, asked = call.site.lanes, (call.site.services.db, request, call.service_root)
    # Only where nobody else is kept waiting by it: the hand-over to a thread and back takes half the time of a search.
    answer = lanes.search.run_here(search_briefly, *asked) if lanes.at_work == 1 else None
    if answer is None:
        answer = await lanes.search.run(search, *asked)
    warnings = [*_ignored(request)]
    if answer.remaining:
        warnings.append(f"There are {answer.remaining} additional results that can be requested")
    headers = {"warning": ", ".join(f'299 {_AGENT} "{warning}"' for warning in warnings)} if warnings else {}
    # A body of several parts cannot be one of none.
    if not answer.objects and (accepted is _XML or call.site.settings.no_matches == "204"):
        return Response(None, 204, headers)
    if accepted is _XML:
        boundary = new_boundary()
        body = await call.site.lanes.search.run(_as_xml, answer, boundary)
        return Response(body, 200, {**headers, "content-type": multipart_type(_XML.media_type, boundary)})
    body = b"[" + b",\n".join(answer.objects) + b"]"
    return Response(body, 200, {**headers, "content-type": accepted.media_type})


def _as_xml(answer: Answer, boundary: str) -> bytes:
    """Write each result as a part (PS3.18 10.6.4)."""
    headers = {"Content-Type": _XML.media_type}
    return b"".join(
        write_multipart((Part(headers, iter((to_xml(json.loads(one)),))) for one in answer.objects), boundary)
    )


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
        parameters=(*OPTIONS, *matching_keys(resource.level)),
        gives=tuple(one.media_type for one in OFFERS),
    )
    for resource in RESOURCES
)
