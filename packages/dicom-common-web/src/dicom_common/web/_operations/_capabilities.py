"""Retrieve Capabilities (PS3.18 8.9): what can be asked, from the table by which it is answered."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

import msgspec
from starlette.responses import Response

from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._negotiation import Offer, accepted_by

__all__ = ["OFFERS", "capabilities"]

_WADL = "application/vnd.sun.wadl+xml"
OFFERS = tuple(Offer(media_type=name) for name in (_WADL, "application/json", "application/xml"))


def capabilities(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the endpoints, `OPTIONS` of the service root, that describe the others: as WADL or as JSON."""
    described = [one for one in endpoints if not one.beside]

    async def answer(call: Call) -> Response:
        chosen = accepted_by(call.request).require(OFFERS).media_type
        body = _json(described) if chosen == "application/json" else _wadl(described, call.service_root)
        return Response(body, headers={"content-type": chosen})

    return tuple(
        Endpoint(path=path, method="OPTIONS", action=None, lane=None, handler=answer, name="capabilities")
        for path in ("", "/")
    )


def _by_path(endpoints: Iterable[Endpoint]) -> dict[str, list[Endpoint]]:
    paths: dict[str, list[Endpoint]] = {}
    for one in endpoints:
        paths.setdefault(one.path, []).append(one)
    return paths


def _json(endpoints: Iterable[Endpoint]) -> bytes:
    resources = [
        {"path": path, "methods": [{"name": one.method, "id": one.name} for one in methods]}
        for path, methods in _by_path(endpoints).items()
    ]
    return msgspec.json.encode({"resources": resources})


def _wadl(endpoints: Iterable[Endpoint], root: str) -> bytes:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<application xmlns="http://wadl.dev.java.net/2009/02">']
    lines.append(f"<resources base={quoteattr(root + '/')}>")
    for path, methods in _by_path(endpoints).items():
        lines.append(f"<resource path={quoteattr(path.lstrip('/'))}>")
        lines += [f"<method name={quoteattr(one.method)} id={quoteattr(one.name)}/>" for one in methods]
        lines.append("</resource>")
    return "\n".join([*lines, "</resources>", "</application>", ""]).encode()
