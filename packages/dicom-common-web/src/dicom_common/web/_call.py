"""One request on its way through the server: who is calling, what is asked, and what is known of it in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from starlette.datastructures import URL
from starlette.requests import Request

from dicom_common.core import AuditEvent, Principal
from dicom_common.dicom import is_valid_uid
from dicom_common.pipeline import MetadataDocuments
from dicom_common.web._errors import HttpError
from dicom_common.web._links import link_of, root_of
from dicom_common.web._site import Site

__all__ = ["Call"]


@dataclass(slots=True, kw_only=True)
class Call:
    """One request of a caller who may make it."""

    site: Site
    request: Request
    request_id: str
    principal: Principal
    """Who is calling. Its tenant is the only one that the request can reach."""
    audits: list[AuditEvent] = field(default_factory=list)
    """What the audit trail has to know, recorded when the answer is complete."""

    @property
    def tenant(self) -> str:
        """Whose instances the request is about."""
        return self.principal.tenant

    def uid(self, name: str) -> str:
        """Return a UID of the path.

        Raises:
            HttpError: 400, it is not a UID.
        """
        uid: str = self.request.path_params[name]
        if not is_valid_uid(uid):
            raise HttpError(400, f"The {name} of the path is not a UID (PS3.5 9.1): 1 to 64 digits and single dots.")
        return uid

    @property
    def user(self) -> str | None:
        """Who is calling, for records; None where everybody is let in."""
        return None if self.site.is_open and link_of(self.request) is None else self.principal.subject

    @property
    def documents(self) -> MetadataDocuments:
        """The metadata documents whose links the caller can follow."""
        return self.site.documents if link_of(self.request) is None else self.site.relative_documents

    @property
    def bulk_data_root(self) -> str:
        """By which BulkDataURIs are absolute; "": they are relative to the service root."""
        return self.site.public_url if link_of(self.request) is None else ""

    @property
    def service_root(self) -> str:
        """The service root as this client knows it, absolute, without a slash at its end: for Retrieve URLs."""
        root, link = self.site.public_url, link_of(self.request)
        if not root:
            scope = self.request.scope
            host, server = self.request.headers.get("host"), scope.get("server")
            server = None if server is None else tuple(server)  # ASGI promises no more than that it can be iterated
            root = _origin(scope.get("scheme", "http"), host, server) + self.site.settings.root
        return root if link is None else root_of(root, link)


@lru_cache(maxsize=16)
def _origin(scheme: str, host: str | None, server: tuple[str, int | None] | None) -> str:
    """Return with what the URLs of a request begin, by its Host header or the address of the server."""
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    url = URL(scope={"scheme": scheme, "path": "/", "headers": headers, "server": server})
    return f"{url.scheme}://{url.netloc}"
