"""One request on its way through the server: who is calling, what is asked, and what is known of it in the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from dicom_common.core import AuditEvent, Principal
from dicom_common.dicom import is_valid_uid
from dicom_common.web._errors import HttpError
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
        return None if self.site.is_open else self.principal.subject

    @property
    def service_root(self) -> str:
        """The service root as this client knows it, absolute, without a slash at its end: for Retrieve URLs."""
        if self.site.public_url:
            return self.site.public_url
        url = self.request.url
        return f"{url.scheme}://{url.netloc}{self.site.settings.root}"
