"""From a request to its answer: who is calling and whether that is allowed, the handler, errors, the records."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPMethod

import anyio
import anyio.to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from dicom_common.core import AuditEvent, AuditOutcome, DicomCommonError, Principal, uuid7
from dicom_common.host import TRACEBACKS, Action
from dicom_common.pipeline import ObjectLostError
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError, as_http_error, error_response
from dicom_common.web._headers import add_headers, is_preflight, preflight
from dicom_common.web._lanes import Turn
from dicom_common.web._records import audit, log_access, require_audit
from dicom_common.web._security import admit, refuse_foreign_host, refuse_foreign_page
from dicom_common.web._site import Site

__all__ = ["Dispatch"]

_log = logging.getLogger(__name__)
_ANYBODY = Principal(subject="", tenant="")
_REQUEST_ID = re.compile(r"[!-~]{1,64}")
_METHODS = frozenset(HTTPMethod)
"""Those of HTTP itself; another one is not known, rather than not allowed (RFC 9110 9.1)."""
_GONE = 499
"""The status in records of a request whose client went away before its answer."""


class _Exchange:
    """One request and how it was answered."""

    def __init__(self, request: Request) -> None:
        self.request = request
        given = request.headers.get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid7())
        self.began = time.perf_counter()
        self.endpoint: Endpoint | None = None
        self.call: Call | None = None
        self.turn: Turn | None = None
        self.status, self.sent = _GONE, 0


class Dispatch:
    """The methods of one path, as an ASGI application.

    Args:
        site: what requests share.
        endpoints: by method; none: there is no such resource.
        of_server: the methods of all resources, where this answers what is the path of none: `OPTIONS *` asks for them.
    """

    def __init__(self, site: Site, endpoints: Mapping[str, Endpoint], *, of_server: Iterable[str] = ()) -> None:
        self._site = site
        self._endpoints = dict(endpoints)
        methods = {*endpoints, *of_server, "OPTIONS"}
        methods |= {"HEAD"} if "GET" in methods else set()
        self.allow = ", ".join(sorted(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = _Exchange(Request(scope, receive))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = MutableHeaders(scope=message)
                add_headers(headers, exchange.request, self._site.settings, exchange.request_id)
            elif exchange.request.method != "HEAD":
                exchange.sent += len(message.get("body", b""))
            await send(message)

        span = None if (tracing := self._site.tracing) is None else tracing.begin(exchange.request)
        try:
            try:
                response = await self._answer(exchange)
            except ClientDisconnect:
                return
            except Exception as error:  # noqa: BLE001 - no request ends the server, whatever it holds
                response = error_response(_told(error))
            try:
                await response(scope, receive, sending)
                # The event loop sends at its next turn: now, before the records are made, for which no client waits.
                await asyncio.sleep(0)
            except Exception as error:
                if (abort := scope.get("extensions", {}).get("dicom_common.abort")) is None:
                    raise  # the error breaks the answer off in another server
                # Its status is sent: what is left to tell the client is the end of the connection.
                _log_failure("an answer broke off", error)
                await _broken_off(abort, receive)
        finally:
            if exchange.turn is not None:
                exchange.turn.end()
            await self._record(exchange)
            if span is not None:
                span.end(
                    self._route(exchange.endpoint),
                    status=exchange.status,
                    sent=exchange.sent,
                    request_id=exchange.request_id,
                )

    def _route(self, endpoint: Endpoint | None) -> str:
        if endpoint is None:
            return ""
        return endpoint.path if endpoint.beside else self._site.settings.root + endpoint.path

    async def _answer(self, exchange: _Exchange) -> Response:
        site, request = self._site, exchange.request
        if not self._endpoints:
            if request.method == "OPTIONS" and request.scope["path"] == "*":
                refuse_foreign_host(site, request)
                return self._without_endpoint("OPTIONS")  # the server as a whole (RFC 9110 9.3.7)
            raise HttpError(404, "The server has no such resource.")
        refuse_foreign_host(site, request)
        if is_preflight(request):
            return preflight(request, site.settings, self.allow)
        refuse_foreign_page(site, request)
        endpoint = self._endpoints.get("GET" if request.method == "HEAD" else request.method)
        if endpoint is None:
            return self._without_endpoint(request.method)
        exchange.endpoint = endpoint
        principal = _ANYBODY if endpoint.action is None else await admit(site, request, endpoint.action)
        call = Call(site=site, request=request, request_id=exchange.request_id, principal=principal)
        exchange.call = call
        if endpoint.lane is not None:
            turn: Turn = getattr(site.lanes, endpoint.lane).turn()
            await turn.begin()
            exchange.turn = turn
        # An ingest asks for itself, and records each instance.
        if endpoint.action not in (None, Action.STORE):
            await require_audit(site)
        response = await _handled(endpoint, call)
        if endpoint.action is Action.RETRIEVE and call.audits:
            # Before anything leaves: afterwards it could not be called back.
            events, call.audits = call.audits, []
            await audit(site, events, must=True)
        return response

    def _without_endpoint(self, method: str) -> Response:
        if method == "OPTIONS":
            return Response(None, 204, {"allow": self.allow})
        if method not in _METHODS:
            raise HttpError(501, f"The server does not know this method. This resource takes {self.allow}.")
        raise HttpError(405, f"This resource takes {self.allow}.", {"allow": self.allow})

    async def _record(self, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.began
        name = exchange.endpoint.name if exchange.endpoint is not None else "none"
        self._site.metrics.count_request(name, exchange.status, seconds)
        call = exchange.call
        if call is None:
            return
        if call.audits:
            with anyio.CancelScope(shield=True):
                await audit(self._site, [_as_it_ended(event, exchange.status) for event in call.audits])
        if exchange.endpoint is not None and exchange.endpoint.action is not None:
            await log_access(call, status=exchange.status, sent=exchange.sent, seconds=seconds)


async def _handled(endpoint: Endpoint, call: Call) -> Response:
    """Let the handler answer. An instance that is removed between its look-up and its first byte is no damage."""
    try:
        return await endpoint.handler(call)
    except ObjectLostError as error:
        if await call.site.lanes.search.run(call.site.services.db.stored, call.tenant, [error.sop_uid]):
            raise
        told = "An instance is being removed: request what is left again."
        raise HttpError(503, told, {"retry-after": "1"}) from error


def _as_it_ended(event: AuditEvent, status: int) -> AuditEvent:
    """Return an event with the outcome that the answer had."""
    if status < 400 or event.outcome is not AuditOutcome.SUCCESS:
        return event
    return dataclasses.replace(event, outcome=AuditOutcome.MINOR_FAILURE, reason=f"HTTP status {status}")


async def _broken_off(abort: Callable[[], None], receive: Receive) -> None:
    """Break the connection off, with what waits to be sent, and wait until that is so."""
    abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def _told(error: Exception) -> HttpError:
    """Return what the client learns; the rest goes to the log, without anything of a data set."""
    told = as_http_error(error)
    if told.status >= 500 and not isinstance(error, HttpError):
        _log_failure("a request failed", error)
    return told


def _log_failure(what: str, error: Exception) -> None:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    # The text of a foreign exception may quote a value of a data set.
    _log.error("%s: %s", what, error if isinstance(error, DicomCommonError) else type(error).__name__)
    TRACEBACKS.debug(what, exc_info=error)
