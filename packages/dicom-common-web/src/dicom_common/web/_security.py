"""Who is calling, and from where: before anything of the request is looked at."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.requests import Request

from dicom_common.core import AuthenticationError, LetsEverybodyIn, Principal
from dicom_common.host import Action, authorize, bearer_token, client_of
from dicom_common.web._errors import HttpError
from dicom_common.web._links import link_of, linked
from dicom_common.web._site import Site

__all__ = ["admit", "refuse_foreign_host", "refuse_foreign_page"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def admit(site: Site, request: Request, action: Action) -> Principal:
    """Return who is calling, if that one may do an action.

    Raises:
        AuthenticationError: it is not known who is calling.
        AuthorizationError: the caller may not do that.
        NotFoundError: the caller has a link to something else.
        UnavailableError: the keys that verify tokens cannot be had now.
    """
    if (link := link_of(request)) is not None:
        return linked(site.capabilities, request, link, action)
    if site.authenticator is None and site.is_open:
        return Principal(subject="local", tenant=site.services.config.general.tenant)
    principal = await _principal(site, request)
    authorize(site.policy, principal, action)
    return principal


async def _principal(site: Site, request: Request) -> Principal:
    authenticator = site.authenticator
    if isinstance(authenticator, LetsEverybodyIn):
        return authenticator.everybody()
    headers = request.scope["headers"]
    certificate = request.scope.get("extensions", {}).get("dicom_common.client_certificate")
    if certificate and not any(name == b"authorization" for name, _ in headers):
        return client_of(certificate, site.settings.clients).principal
    token = bearer_token(headers, request.scope["query_string"])
    if authenticator is None:
        raise AuthenticationError("The server has no authenticator for tokens.")
    return await anyio.to_thread.run_sync(authenticator.authenticate, token)


def refuse_foreign_host(site: Site, request: Request) -> None:
    """Refuse a name that is not this machine's, where everybody on this machine is let in.

    A page of another site can make its own name stand for 127.0.0.1 (DNS rebinding), and would be let in.

    Raises:
        HttpError: 403; 400, the request names no host at all, or several (RFC 9112 3.2).
    """
    hosts = request.headers.getlist("host")
    if len(hosts) > 1 or (not hosts and request.scope["http_version"] != "1.0"):
        raise HttpError(400, "The request has no Host header, or several.")
    if not site.is_open:
        return
    if not _is_local("".join(hosts)):
        raise HttpError(403, "Without authentication the server answers only requests to localhost: configure [auth].")


@lru_cache(maxsize=64)
def _is_local(host_header: str) -> bool:
    host = urlsplit(f"//{host_header}").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def refuse_foreign_page(site: Site, request: Request) -> None:
    """Refuse a change that a page of another site asks for in its visitor's browser.

    Raises:
        HttpError: 403.
    """
    origin = request.headers.get("origin")
    if request.method in _SAFE or origin is None or origin in site.settings.cors_origins:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise HttpError(403, "The request comes from a page of another origin: add that origin to web.cors_origins.")
