"""Signed links: a temporary DICOMweb service root for one study, for viewers that cannot send tokens."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dicom_common.core import AuthorizationError, NotFoundError, Principal
from dicom_common.crypto import Capabilities
from dicom_common.host import Action
from dicom_common.web._parameters import query_pairs
from dicom_common.web._settings import LinkSettings

__all__ = ["LINK_PATH", "LinkedRequests", "capabilities_of", "link_of", "linked", "root_of", "shows_series"]

LINK_PATH = "/links/{link}/{rest:path}"
"""The path of a link below the service root; `rest` is a resource path, as below the service root itself."""
_LINK = "dicom_common.link"
_SHOWS = (Action.RETRIEVE, Action.SEARCH)


class LinkedRequests:
    """Answers a request whose path has a link, with the permission that the link grants.

    The link is removed from the path here, so that no record or log contains it.

    Args:
        app: the application that answers requests without a link.
        root: the path of the service root.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path_params = scope["path_params"]
        path = f"{scope.get('root_path', '')}{self._root}/{path_params['rest']}"
        # The outer link counts: a link nested in it must not grant more.
        link = scope.get(_LINK, path_params["link"])
        inner = {**scope, "path": path, "raw_path": path.encode(), "path_params": {}, _LINK: link}
        await self._app(inner, receive, send)


def link_of(request: Request) -> str | None:
    """Return the link in the path of a request; None if it had no link."""
    link: str | None = request.scope.get(_LINK)
    return link


def root_of(public_root: str, link: str) -> str:
    """Return the service root of a link.

    Args:
        public_root: the absolute URL of the server's own service root; or of its viewer, for the viewer of the link.
        link: the signed text.
    """
    return f"{public_root}/links/{link}"


def capabilities_of(settings: LinkSettings | None) -> Capabilities | None:
    """Return the signer and verifier of links; None without `[web.links]`.

    Raises:
        ConfigError: a key is invalid, or not exactly one is active.
    """
    return None if settings is None else Capabilities(settings.keys)


def _searched(request: Request) -> str | None:
    """Return the one study that a search without a study in its path is about: viewers begin with such a one."""
    studies = [value for name, value in query_pairs(request) if name.upper() in ("STUDYINSTANCEUID", "0020000D")]
    return studies[0] if len(studies) == 1 else None


def linked(capabilities: Capabilities | None, request: Request, link: str, action: Action) -> Principal:
    """Return the principal of a request that is made with a link.

    Raises:
        AuthenticationError: the link is invalid or has expired.
        AuthorizationError: links do not permit the action.
        NotFoundError: the link is for another study or series, or `[web.links]` is not configured.
    """
    if capabilities is None:
        raise NotFoundError("The server does not offer links.")
    capability = capabilities.verify(link)
    if action not in _SHOWS:
        raise AuthorizationError("A link permits only searching and retrieving.")
    study, series = request.path_params.get("study"), request.path_params.get("series")
    if study is None and action is Action.SEARCH:
        study = _searched(request)
    if study != capability.study_uid or (capability.series_uid and series != capability.series_uid):
        raise NotFoundError("The link shows one study or series, and this is not below it.")
    return Principal(subject="link", tenant=capability.tenant)


def shows_series(capabilities: Capabilities | None, request: Request, series_uid: str) -> bool:
    """Tell whether a request may see a series that its path does not name: a link to one series shows no other."""
    link = link_of(request)
    return link is None or (capabilities is not None and capabilities.verify(link).series_uid in ("", series_uid))
