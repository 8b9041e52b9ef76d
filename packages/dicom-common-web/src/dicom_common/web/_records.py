"""What stays of a request: events of the audit trail, and the record of the access log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import anyio.to_thread
from starlette.datastructures import Headers

from dicom_common.core import AuditEvent, WebAccess, uuid7
from dicom_common.web._call import Call
from dicom_common.web._errors import RETRY_AFTER, HttpError
from dicom_common.web._site import Site

__all__ = ["audit", "log_access", "require_audit"]


async def require_audit(site: Site) -> None:
    """Refuse a request that the audit trail could not record.

    Raises:
        HttpError: 503.
    """
    extensions = site.services.extensions
    if extensions.audits and await anyio.to_thread.run_sync(extensions.audit_refusal) is not None:
        raise _not_recorded()


async def audit(site: Site, events: Sequence[AuditEvent], *, must: bool = False) -> None:
    """Have events recorded, if there is an audit trail.

    Raises:
        HttpError: 503, with `must`: they were not.
    """
    extensions = site.services.extensions
    if extensions.audits and not await anyio.to_thread.run_sync(extensions.audit, events) and must:
        raise _not_recorded()


async def log_access(call: Call, *, status: int, sent: int, seconds: float) -> None:
    """Have a request logged, also if its client has gone away."""
    log, ended = call.site.access_log, datetime.now(UTC)

    def made() -> WebAccess:
        return WebAccess(
            id=str(uuid7()),
            time=ended - timedelta(seconds=seconds),
            tenant=tenant,
            method=scope["method"],
            path=scope["path"],
            status=status,
            request_id=request_id,
            query=scope["query_string"].decode("latin-1"),
            peer=scope["client"][0] if scope.get("client") else None,
            # The page that a link was followed from may have the link in its own address.
            headers={
                name: value
                for name, value in Headers(scope=scope).items()
                if name != "referer" or "/links/" not in value
            },
            user=user,
            content_length=sent,
            duration_ms=round(seconds * 1000, 3),
        )

    # What waits to be written must not keep the body of the request, which the call has.
    scope, tenant, user, request_id = call.request.scope, call.tenant, call.user, call.request_id
    if log.is_full:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(log.write, made)
    else:
        log.write(made)


def _not_recorded() -> HttpError:
    return HttpError(503, "The audit trail cannot record this request; try again later.", {"retry-after": RETRY_AFTER})
