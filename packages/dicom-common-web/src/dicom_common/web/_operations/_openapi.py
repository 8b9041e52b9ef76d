"""`/openapi.json`: the OpenAPI description of the service, made from the table of its endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.responses import Response

from dicom_common.host import Action
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint

__all__ = ["openapi"]

_IN_PATH = re.compile(r"\{(\w+)(?::\w+)?\}")
_UID = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 64}
_PATH_SCHEMAS = {
    "frames": {"type": "string", "pattern": r"^[1-9][0-9]*(,[1-9][0-9]*)*$"},
    "path": {"type": "string", "pattern": r"^[0-9A-Fa-f]{8}(\.[0-9]+\.[0-9A-Fa-f]{8})*$"},
}
_GOOD = {
    Action.STORE: {
        "200": "All instances are stored.",
        "202": "Some instances are stored, at least one has a warning, or they are queued for indexing.",
    },
    Action.SEARCH: {"200": "The matches.", "204": "The search has no match."},
    Action.DELETE: {"204": "The resource is deleted."},
    Action.RETRIEVE: {
        "200": "The resource.",
        "206": "A part of the resource.",
        "304": "The client's copy is current.",
    },
}
_BAD = {
    "400": "The request is malformed.",
    "401": "The request has no valid token or client certificate.",
    "403": "The policy does not permit the request.",
    "404": "The resource does not exist.",
    "406": "No available media type is acceptable to the client.",
    "503": "The server is busy, or a backend is down: try again later.",
}
_BAD_STORE = {
    "409": "No instance is stored.",
    "413": "The request is too large.",
    "415": "The media type is not supported.",
}


def openapi(endpoints: Iterable[Endpoint]) -> Endpoint:
    """Return the endpoint that describes others, in OpenAPI 3.0."""
    described = tuple(endpoints)

    async def answer(call: Call) -> Response:
        body = msgspec.json.encode(_document(described, call))
        return Response(body, headers={"content-type": "application/json"})

    return Endpoint(
        path="/openapi.json",
        method="GET",
        action=None,
        lane=None,
        handler=answer,
        name="openapi",
        beside=True,
        gives=("application/json",),
    )


def _document(endpoints: Iterable[Endpoint], call: Call) -> dict[str, Any]:
    root, base = call.site.settings.root, call.service_root
    # Behind a proxy that changes the path of the service root, the paths of the resources beside it are unknown.
    prefix = root if base.endswith(root) else ""
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        if one.beside and not prefix:
            continue
        path = _IN_PATH.sub(r"{\1}", one.path if one.beside else prefix + one.path)
        paths.setdefault(path, {})[one.method.lower()] = _operation(one, is_open=call.site.is_open)
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {
            "title": "dicom-common",
            "description": "DICOMweb (PS3.18)",
            "version": version("dicom-common-web"),
        },
        "servers": [{"url": base.removesuffix(prefix)}],
        "paths": paths,
    }
    if not call.site.is_open:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    return document


def _operation(endpoint: Endpoint, *, is_open: bool) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS.get(name, _UID)}
        for name in _IN_PATH.findall(endpoint.path)
    ]
    in_query: list[dict[str, Any]] = [
        {"name": one.name, "in": "query", "description": one.meaning, "required": one.required, "schema": one.schema}
        for one in endpoint.parameters
    ]
    if len(endpoint.gives) > 1:
        in_query.append({"name": "accept", "in": "query", "schema": {"type": "string", "enum": list(endpoint.gives)}})
    good = _GOOD[endpoint.action] if endpoint.action else {"200": "The resource."}
    bad = {**_BAD, **(_BAD_STORE if endpoint.takes else {})} if endpoint.action else {"503": "The server is not ready."}
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in endpoint.gives}
    described: dict[str, Any] = {
        "summary": endpoint.name,
        "parameters": [*in_path, *in_query],
        "responses": {
            **{status: {"description": text, "content": content} for status, text in good.items()},
            **{status: {"description": text} for status, text in bad.items()},
        },
    }
    if endpoint.takes:
        body = {name: {"schema": {"type": "string", "format": "binary"}} for name in endpoint.takes}
        described["requestBody"] = {"required": True, "content": body}
    if endpoint.action and not is_open:
        described["security"] = [{"token": []}]
    return described
