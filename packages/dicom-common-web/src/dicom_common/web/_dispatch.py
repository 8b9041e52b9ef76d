"""From a request to its answer: who is calling, whether that is allowed, the handler, and errors as answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dicom_common.core import DicomCommonError, Principal, uuid7
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError, as_http_error, error_response
from dicom_common.web._security import admit, refuse_foreign_host, refuse_foreign_page
from dicom_common.web._site import Site

__all__ = ["Dispatch"]

_log = logging.getLogger(__name__)
_ANYBODY = Principal(subject="", tenant="")


class Dispatch:
    """The methods of one path, as an ASGI application.

    Args:
        site: what requests share.
        endpoints: by method.
    """

    def __init__(self, site: Site, endpoints: Mapping[str, Endpoint]) -> None:
        self._site = site
        self._endpoints = dict(endpoints)
        methods = {*endpoints, "OPTIONS"} | ({"HEAD"} if "GET" in endpoints else set())
        self.allow = ", ".join(sorted(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        async with AsyncExitStack() as turn:
            try:
                response = await self._answer(request, turn)
            except ClientDisconnect:
                return
            except Exception as error:  # noqa: BLE001 - no request ends the server, whatever it holds
                response = error_response(_told(error))
            await response(scope, receive, send)

    async def _answer(self, request: Request, turn: AsyncExitStack) -> Response:
        site = self._site
        refuse_foreign_host(site, request)
        refuse_foreign_page(site, request)
        if request.method == "OPTIONS":
            return Response(None, 204, {"allow": self.allow})
        endpoint = self._endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            raise HttpError(405, f"This resource takes {self.allow}.", {"allow": self.allow})
        principal = _ANYBODY if endpoint.action is None else await admit(site, request, endpoint.action)
        call = Call(site=site, request=request, request_id=str(uuid7()), principal=principal)
        if endpoint.lane is not None:
            await turn.enter_async_context(getattr(site.lanes, endpoint.lane).turn())
        return await endpoint.handler(call)


def _told(error: Exception) -> HttpError:
    """Return what the client is told; what it is not told goes to the log, without anything of a data set."""
    told = as_http_error(error)
    if told.status >= 500:
        shown = error if isinstance(error, DicomCommonError) else type(error).__name__
        _log.error("a request failed: %s", shown, exc_info=None if isinstance(error, DicomCommonError) else error)
    return told
