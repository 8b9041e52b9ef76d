"""Headers of every answer: against guessing of types, keeping by caches, and for pages of other origins."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from dicom_common.web._links import link_of
from dicom_common.web._settings import WebSettings

__all__ = ["add_headers", "is_preflight", "preflight"]

_EXPOSED = "Content-Location, ETag, Retry-After, Warning, X-Request-ID, Accept-Ranges, Content-Range"
_ASKED = "Authorization, Content-Type, Accept, Range, If-None-Match, If-Range, X-Request-ID"
_PREFLIGHT_SECONDS = "600"


def add_headers(headers: MutableHeaders, request: Request, settings: WebSettings, request_id: str) -> None:
    """Add what every answer has; what an answer says itself stays."""
    headers["x-request-id"] = request_id
    headers["x-content-type-options"] = "nosniff"
    if link_of(request) is not None:
        headers["referrer-policy"] = "no-referrer"
    headers.setdefault("cache-control", "private, no-store")
    vary = [headers["vary"]] if "vary" in headers else ["Accept, Authorization"]
    if settings.cors_origins:
        vary.append("Origin")
        if (origin := request.headers.get("origin")) in settings.cors_origins and origin:
            # Its own name, never `*`; and no permission for cookies, of which the server has none.
            headers["access-control-allow-origin"] = origin
            headers["access-control-expose-headers"] = _EXPOSED
    headers["vary"] = ", ".join(vary)


def is_preflight(request: Request) -> bool:
    """Tell whether a browser asks whether a page of another origin may make a request."""
    return (
        request.method == "OPTIONS"
        and "origin" in request.headers
        and "access-control-request-method" in request.headers
    )


def preflight(request: Request, settings: WebSettings, allow: str) -> Response:
    """Answer a browser: a page whose origin is not in `cors_origins` learns nothing."""
    headers = {"allow": allow}
    if request.headers["origin"] in settings.cors_origins:
        headers["access-control-allow-methods"] = allow
        headers["access-control-allow-headers"] = _ASKED
        headers["access-control-max-age"] = _PREFLIGHT_SECONDS
    return Response(None, 204, headers)
