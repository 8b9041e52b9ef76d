"""What a request is refused with: a status of HTTP, and one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from dicom_common.core import (
    AuthenticationError,
    AuthorizationError,
    BackendError,
    ConfigError,
    DamagedError,
    DicomCommonError,
    DicomError,
    NotFoundError,
    QueryError,
    UnavailableError,
)
from dicom_common.dicom import Reason
from dicom_common.pipeline import ObjectLostError

__all__ = ["RETRY_AFTER", "HttpError", "as_http_error", "error_response"]

RETRY_AFTER = "5"
"""Seconds after which a request that found a backend down may come again."""
_NO_FRAMES = (Reason.NO_PIXEL_DATA, Reason.NO_FRAMES)


class HttpError(Exception):
    """The request is answered with an error.

    Args:
        status: of HTTP, 400 or above.
        message: one sentence for the client's log. Nothing of a data set, and nothing that the client has sent.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


def as_http_error(error: Exception) -> HttpError:
    """Return what an error of the library means to a client (PS3.18 8.5)."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, AuthenticationError):
        return HttpError(401, str(error), {"www-authenticate": "Bearer"})
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            headers = {"retry-after": RETRY_AFTER} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            return HttpError(status, _told(error, status), headers)
    return HttpError(500, "The server failed: its log has the error.")


def error_response(error: HttpError) -> Response:
    """Return the answer that an error is: problem details (RFC 9457)."""
    details = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
    }
    return Response(
        msgspec.json.encode(details), error.status, {**error.headers, "content-type": "application/problem+json"}
    )


_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (QueryError, 400),
    (AuthorizationError, 403),
    (ObjectLostError, 500),
    (NotFoundError, 404),
    (UnavailableError, 503),
    (DamagedError, 500),
    (BackendError, 500),
    (ConfigError, 500),
    (DicomError, 404),
    (DicomCommonError, 500),
)


def _told(error: Exception, status: int) -> str:
    """Return the sentence that a client is shown: what names a backend's address stays in the log."""
    if isinstance(error, DicomError) and error.reason not in _NO_FRAMES:
        return "The stored object cannot be read as this request needs it: retrieve the instance as it is stored."
    if isinstance(error, ObjectLostError):
        return "The stored object is lost: the storage does not have it."
    if isinstance(error, DamagedError):
        return "The stored object is damaged: its bytes are not those that were indexed."
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "A backend of the server is not available: try again later."
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "The server failed: its log has the error."
    return str(error)
