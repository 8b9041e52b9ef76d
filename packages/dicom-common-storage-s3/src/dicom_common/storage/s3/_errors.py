"""What the answers of an S3 store mean, as the core's errors, in sentences that name the setting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from urllib3.exceptions import HTTPError

from dicom_common.core import BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.storage.object import BusyError, DoubtfulError, connection_error, with_retry_after
from dicom_common.storage.s3._settings import Settings
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["ConditionFailedError", "Failures", "RangeError", "WithoutReasonError", "code_of"]


class ConditionFailedError(BackendError):
    """If-Match or If-None-Match did not hold; the client knows what that means."""


class RangeError(BackendError):
    """The range begins behind the end."""


class WithoutReasonError(BackendError):
    """An answer to HEAD, which has no body that would say why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The S3 store answered HEAD with status {status}.")
        self.status = status


_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,100})</Code>")
_REGION = re.compile(rb"<Region>([a-z0-9-]{1,40})</Region>")
_DENIED = "AccessDenied"
# What an answer means, by its code and its status. The refusals of a code come before what a status alone says.
_MEANINGS = (
    Meaning(
        ConditionFailedError,
        "A condition of a request to the S3 store did not hold.",
        codes=(412, "PreconditionFailed"),
    ),
    Meaning(RangeError, "The range begins behind the end of the object.", codes=(416,)),
    Meaning(NotFoundError, "The S3 store {store} does not know the upload any more.", codes=("NoSuchUpload",)),
    Meaning(NotFoundError, "There is no object under this storage key.", codes=("NoSuchKey",)),
    Meaning(
        RefusedError,
        "The bucket {bucket} at {store} is not in the region {region}; check the setting region{hint}.",
        codes=(
            *(301, 307, "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "PermanentRedirect"),
            *("IllegalLocationConstraintException", "InvalidRegion", "TemporaryRedirect", "XMinioInvalidRegion"),
        ),
    ),
    Meaning(
        UnavailableError,
        "An object was damaged on its way to the S3 store {store}: send it again.",
        codes=("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"),
    ),
    Meaning(
        RefusedError,
        "The S3 store {store} does not know the access key: check the setting access_key.",
        codes=("InvalidAccessKeyId",),
    ),
    Meaning(
        RefusedError,
        "The S3 store {store} does not accept the signature: check the setting secret_key.",
        codes=("SignatureDoesNotMatch",),
    ),
    Meaning(
        RefusedError,
        "There is no such bucket at {store}: check the setting bucket ({bucket}), or create it.",
        codes=("NoSuchBucket",),
    ),
    Meaning(
        RefusedError,
        "The S3 store {store} does not accept {bucket} as the name of a bucket: check the setting bucket.",
        codes=("InvalidBucketName",),
    ),
    Meaning(
        RefusedError,
        "The S3 store {store} does not permit {permission} in the bucket {bucket}: give the access key this"
        " permission.",
        codes=(_DENIED, "AllAccessDisabled", "AccountProblem"),
    ),
    Meaning(
        RefusedError,
        "The clocks of this machine and of the S3 store {store} differ too much: set the clock.",
        codes=("RequestTimeTooSkewed", "RequestExpired"),
    ),
    Meaning(
        RefusedError,
        "The temporary credentials for the S3 store {store} have expired: renew the setting session_token.",
        codes=("ExpiredToken", "TokenRefreshRequired"),
    ),
    Meaning(
        RefusedError,
        "The S3 store {store} does not accept the setting session_token: renew it.",
        codes=("InvalidToken", "InvalidTokenId"),
    ),
    Meaning(
        RefusedError,
        "The storage key is too long for the S3 store {store}: shorten the setting prefix.",
        codes=("KeyTooLongError",),
    ),
    Meaning(
        RefusedError,
        "The bucket {bucket} at {store} has reached its quota: raise it or make room.",
        codes=("QuotaExceeded", "XMinioAdminBucketQuotaExceeded"),
    ),
    Meaning(
        RefusedError,
        "The storage key goes through a name that is an object: a key must not be the folder of another.",
        codes=("XMinioParentIsObject",),
    ),
    Meaning(
        RefusedError,
        "The storage key is the folder of other keys: a key must not be the folder of another.",
        codes=("XMinioObjectExistsAsDirectory",),
    ),
    Meaning(
        BusyError,
        "The S3 store {store} is too busy (status {status}): try again.",
        codes=(
            *(429, 503, "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException"),
            *("RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable", "BandwidthLimitExceeded"),
            "XMinioServerNotInitialized",
        ),
    ),
    Meaning(
        UnavailableError,
        "The S3 store {store} failed ({code}): try again.",
        codes=(
            *("InternalError", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "IncompleteBody"),
            *("XMinioStorageFull", "XMinioReadQuorum", "XMinioWriteQuorum"),
            *(408, 500, *range(502, 600)),
        ),
    ),
    Meaning(
        RefusedError,
        "The S3 store {store} answered with status {status} and no reason, as no S3 store does: check the setting"
        " endpoint.",
        codes=("",),
    ),
    Meaning(RefusedError, "The S3 store {store} refused a request that needs {permission}: {code}."),
)


class Failures:
    """Makes errors of answers and of broken connections."""

    def __init__(self, settings: Settings) -> None:
        self._store = settings.url.geturl()
        names = {"store": self._store, "bucket": settings.bucket, "region": settings.region}
        self._meanings = Meanings(_MEANINGS, names)
        self._host = settings.url.netloc
        self._setting = "endpoint or region" if "amazonaws.com" in self._store else "endpoint"

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate what the connection raises."""
        try:
            yield
        except (HTTPError, OSError) as error:
            raise connection_error(error, self._host, self._setting) from error

    def of(self, response: urllib3.BaseHTTPResponse, method: str, permission: str) -> BackendError:
        """Return the error that an answer means."""
        code = code_of(response)
        if method == "HEAD" and not code and response.status in (400, 403, 404):
            return WithoutReasonError(response.status)
        return self.of_code(code, response, permission)

    def of_code(self, code: str, response: urllib3.BaseHTTPResponse, permission: str) -> BackendError:
        """Return the error of a code, which may also stand in an answer with status 200."""
        status = response.status
        error = self._meanings.error(
            None,
            code,
            status,
            permission=permission,
            code=code or f"status {status}",
            status=status,
            hint=_hint(response),
        )
        if code == _DENIED and permission == "s3:PutObject":
            # MinIO also says so of a write while another client deletes the last other key of the same "folder".
            return DoubtfulError(str(error))
        return with_retry_after(error, response.headers)

    def without_reason(self, status: int, permission: str) -> BackendError:
        """Return the error of an answer that gives none, after the store was asked for the reason in vain."""
        if code := {404: "NoSuchKey", 403: _DENIED}.get(status):
            return self._meanings.error(None, code, permission=permission)
        return RefusedError(
            f"The S3 store {self._store} refused a request with status {status} and no reason: check the settings"
            " bucket, access_key and session_token."
        )


def code_of(response: urllib3.BaseHTTPResponse) -> str:
    """Return the code in the body of an answer, or in MinIO's header; empty without a code."""
    found = _CODE.search(response.data or b"")
    return found[1].decode() if found else response.headers.get("x-minio-error-code", "")


def _hint(response: urllib3.BaseHTTPResponse) -> str:
    """Return the region that an answer names, to be put behind a sentence."""
    named = _REGION.search(response.data or b"")
    region = response.headers.get("x-amz-bucket-region") or (named[1].decode() if named else "")
    return f": it says {region}" if re.fullmatch(r"[a-z0-9-]{1,40}", region) else ""
