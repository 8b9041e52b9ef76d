"""The ASGI application: the table of its endpoints, and the lifetime of what requests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.routing import Route

from dicom_common.host import Services
from dicom_common.web._dispatch import Dispatch
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._links import LINK_PATH, LinkedRequests
from dicom_common.web._operations import OPERATIONS, capabilities, openapi
from dicom_common.web._page import PAGE, viewer_endpoints
from dicom_common.web._qido import SEARCHES
from dicom_common.web._settings import WebSettings
from dicom_common.web._site import Site
from dicom_common.web._stow import STOW
from dicom_common.web._uri import uri_endpoints
from dicom_common.web._wado import RETRIEVALS

__all__ = ["create_app"]

ENDPOINTS: tuple[Endpoint, ...] = (*OPERATIONS, *STOW, *SEARCHES, *RETRIEVALS)
"""All endpoints for programs."""


def create_app(services: Services, settings: WebSettings | None = None, *, public_url: str = "") -> Starlette:
    """Make the DICOMweb application (PS3.18): an ASGI application to serve or to mount.

    The services stay the caller's, and are closed by the caller, after the application. Who listens on a network calls
    `dicom_common.host.require_loopback` first; `dicom-common serve` does.

    Args:
        services: the backends.
        settings: the table `[web]`; that of the configuration by default.
        public_url: the service root as clients know it, where that cannot be told from a request, such as behind a
            proxy. The default is that of the configuration.

    Raises:
        DicomCommonError: the configuration is wrong, or a backend cannot be opened.
    """
    settings = settings or services.settings("web", WebSettings)
    by_uri = uri_endpoints(settings.uri_path)
    endpoints = (
        *ENDPOINTS,
        *capabilities(ENDPOINTS),
        *by_uri,
        openapi((*ENDPOINTS, *by_uri)),
        *(PAGE if settings.page else ()),
        *(viewer_endpoints(settings.viewer) if settings.viewer else ()),
    )
    site = Site.open(services, settings, public_url=public_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await anyio.to_thread.run_sync(site.close)

    app = Starlette(routes=list(routes(site, endpoints)), lifespan=lifespan)
    if settings.links is not None:
        # The first: below the site's root, a viewer takes every path that is left.
        linked = Route(settings.root + LINK_PATH, LinkedRequests(app.router, settings.root), include_in_schema=False)
        app.router.routes.insert(0, linked)
    app.router.redirect_slashes = False
    app.router.default = Dispatch(site, {}, of_server={one.method for one in endpoints})
    app.state.site, app.state.readiness = site, anyio.Lock()
    return app


def routes(site: Site, endpoints: Iterable[Endpoint]) -> Iterable[Route]:
    """Return a route for each path; ValueError where two endpoints are the same."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        path = endpoint.path if endpoint.beside else site.settings.root + endpoint.path
        if paths.setdefault(path, {}).setdefault(endpoint.method, endpoint) is not endpoint:
            raise ValueError(f"two endpoints are {endpoint.method} {path}")
    return [Route(path, Dispatch(site, methods)) for path, methods in paths.items()]
