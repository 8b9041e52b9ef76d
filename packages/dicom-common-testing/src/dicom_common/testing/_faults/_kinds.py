"""What a `FaultProxy` can do to a request, and what the answers look like that it makes up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Literal, NamedTuple

__all__ = ["ANSWERS", "PERMANENT_FAULTS", "RETRYABLE_FAULTS", "Answer", "Fault", "FaultStyle", "answer"]

FaultStyle = Literal["s3", "gcs", "azure", "plain"]
"""In whose words an error is written: the XML of S3 or Azure Blob, the JSON of Google Cloud Storage, or plain text."""


class Fault(StrEnum):
    """What can go wrong with one request. Where there is no body that could be cut, the head is."""

    RESET_BEFORE = "reset-before"
    """The connection is reset before the request reaches the server."""
    RESET_IN_REQUEST = "reset-in-request"
    """The connection is reset when half of the request's body has reached the server."""
    LOST_ANSWER = "lost-answer"
    """The server does what it was asked, and answers; the connection is reset before the client learns of it."""
    RESET_IN_ANSWER = "reset-in-answer"
    """The connection is reset in the middle of the answer's body."""
    TRUNCATED_ANSWER = "truncated-answer"
    """The connection is closed in good order in the middle of the answer's body; its Content-Length says more. Where
    there is no body it is closed before the answer."""
    NO_ANSWER = "no-answer"
    """The request is swallowed: the server never sees it, and the connection stays open without a word."""
    THROTTLED = "throttled"
    """429: too many requests."""
    SLOW_DOWN = "slow-down"
    """503: the server is busy."""
    INTERNAL_ERROR = "internal-error"
    """500."""
    REQUEST_TIMEOUT = "request-timeout"
    """408: the server did not get the request in time."""
    CLOCK_SKEWED = "clock-skewed"
    """The answer to a request whose time is too far from the server's."""
    EXPIRED_CREDENTIAL = "expired-credential"
    """The answer to a token that was good and is not any more."""
    BAD_CREDENTIAL = "bad-credential"
    """The answer to an unknown access key."""
    DENIED = "denied"
    """The answer to a caller who is known, and lacks the permission."""
    NO_BUCKET = "no-bucket"
    """The answer where the bucket or container does not exist. One to HEAD has no body that tells it."""
    WRONG_DATE = "wrong-date"
    """All is well but the Date of the answer, which is off by `FaultProxy.date_skew`."""


RETRYABLE_FAULTS = (
    *(Fault.RESET_BEFORE, Fault.RESET_IN_REQUEST, Fault.LOST_ANSWER, Fault.RESET_IN_ANSWER, Fault.TRUNCATED_ANSWER),
    *(Fault.NO_ANSWER, Fault.THROTTLED, Fault.SLOW_DOWN, Fault.INTERNAL_ERROR, Fault.REQUEST_TIMEOUT),
)
"""Those after which the same request may succeed."""

PERMANENT_FAULTS = (
    *(Fault.CLOCK_SKEWED, Fault.EXPIRED_CREDENTIAL, Fault.BAD_CREDENTIAL, Fault.DENIED, Fault.NO_BUCKET),
)
"""Those that someone has to mend first."""


class Answer(NamedTuple):
    """An answer that no server gave."""

    status: int
    code: str
    """What the store calls it."""
    message: str


_BUSY = "Please reduce your request rate."
_S3 = {
    Fault.THROTTLED: Answer(429, "TooManyRequests", _BUSY),
    Fault.SLOW_DOWN: Answer(503, "SlowDown", _BUSY),
    Fault.INTERNAL_ERROR: Answer(500, "InternalError", "We encountered an internal error. Please try again."),
    Fault.REQUEST_TIMEOUT: Answer(408, "RequestTimeout", "The request was not read from within the time limit."),
    Fault.CLOCK_SKEWED: Answer(403, "RequestTimeTooSkewed", "The times of request and server differ too much."),
    Fault.EXPIRED_CREDENTIAL: Answer(400, "ExpiredToken", "The token has expired."),
    Fault.BAD_CREDENTIAL: Answer(403, "InvalidAccessKeyId", "There is no such access key."),
    Fault.DENIED: Answer(403, "AccessDenied", "Access denied."),
    Fault.NO_BUCKET: Answer(404, "NoSuchBucket", "The specified bucket does not exist."),
}
_GCS = {
    Fault.THROTTLED: Answer(429, "rateLimitExceeded", _BUSY),
    Fault.SLOW_DOWN: Answer(503, "backendError", "The service is busy."),
    Fault.INTERNAL_ERROR: Answer(500, "internalError", "We encountered an internal error. Please try again."),
    Fault.REQUEST_TIMEOUT: Answer(408, "uploadBrokenConnection", "The request timed out."),
    Fault.CLOCK_SKEWED: Answer(403, "RequestTimeTooSkewed", "The times of request and server differ too much."),
    Fault.EXPIRED_CREDENTIAL: Answer(401, "authError", "Invalid Credentials"),
    Fault.BAD_CREDENTIAL: Answer(401, "required", "Anonymous caller does not have access."),
    Fault.DENIED: Answer(403, "forbidden", "The caller does not have access."),
    Fault.NO_BUCKET: Answer(404, "notFound", "The specified bucket does not exist."),
}
_AZURE = {
    Fault.THROTTLED: Answer(429, "TooManyRequests", _BUSY),
    Fault.SLOW_DOWN: Answer(503, "ServerBusy", "The server is busy."),
    Fault.INTERNAL_ERROR: Answer(500, "InternalError", "The server encountered an internal error."),
    Fault.REQUEST_TIMEOUT: Answer(408, "RequestTimeout", "The request timed out."),
    Fault.CLOCK_SKEWED: Answer(403, "AuthenticationFailed", "Request date header too old."),
    Fault.EXPIRED_CREDENTIAL: Answer(403, "AuthenticationFailed", "Signature not valid in the specified time frame."),
    Fault.BAD_CREDENTIAL: Answer(403, "AuthenticationFailed", "The value of the Authorization header is not right."),
    Fault.DENIED: Answer(403, "AuthorizationPermissionMismatch", "The permission for this operation is missing."),
    Fault.NO_BUCKET: Answer(404, "ContainerNotFound", "The specified container does not exist."),
}
ANSWERS: Mapping[FaultStyle, Mapping[Fault, Answer]] = {"s3": _S3, "gcs": _GCS, "azure": _AZURE, "plain": _S3}
"""The faults that are answers: what each store says."""


def answer(given: Answer, style: FaultStyle, *, retry_after: int | None, head: bool, close: bool) -> bytes:
    """Make the bytes of an answer; one to HEAD has no body."""
    body, kind = _body(given, style)
    lines = [
        f"HTTP/1.1 {given.status} {HTTPStatus(given.status).phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    if style == "azure":
        lines.append(f"x-ms-error-code: {given.code}")
    if retry_after is not None and given.status in (429, 503):
        lines.append(f"Retry-After: {retry_after}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "\r\n"]).encode() + (b"" if head else body)


def _body(given: Answer, style: FaultStyle) -> tuple[bytes, str]:
    if style == "gcs":
        reason = {"message": given.message, "domain": "global", "reason": given.code}
        error = {"code": given.status, "message": given.message, "errors": [reason]}
        return json.dumps({"error": error}).encode(), "application/json; charset=UTF-8"
    if style == "plain":
        return f"{given.code}: {given.message}\n".encode(), "text/plain; charset=utf-8"
    inner = f"<Error><Code>{given.code}</Code><Message>{given.message}</Message></Error>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n{inner}'.encode(), "application/xml"
