"""What the store and the connection say, as the core's errors, in sentences that name the setting."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from dicom_common.core import BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.storage.object import BusyError, DoubtfulError
from dicom_common.storage.s3._settings import Settings

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

_REFUSED = {
    "InvalidAccessKeyId": "The S3 store {store} does not know the access key: check the setting access_key.",
    "SignatureDoesNotMatch": "The S3 store {store} does not accept the signature: check the setting secret_key.",
    "NoSuchBucket": "There is no such bucket at {store}: check the setting bucket ({bucket}), or create it.",
    "InvalidBucketName": "The S3 store {store} takes {bucket} for no bucket's name: check the setting bucket.",
    "AccessDenied": (
        "The S3 store {store} does not permit {permission} in the bucket {bucket}: give the access key this permission."
    ),
    "RequestTimeTooSkewed": "The clocks of this machine and of the S3 store {store} differ too much: set the clock.",
    "RequestExpired": "The clocks of this machine and of the S3 store {store} differ too much: set the clock.",
    "ExpiredToken": "The temporary credentials for the S3 store {store} have expired: renew the setting session_token.",
    "InvalidToken": "The S3 store {store} does not accept the setting session_token: renew it.",
    "InvalidTokenId": "The S3 store {store} does not accept the setting session_token: renew it.",
    "KeyTooLongError": "The storage key is too long for the S3 store {store}: shorten the setting prefix.",
    "QuotaExceeded": "The bucket {bucket} at {store} has reached its quota: raise it or make room.",
    "XMinioParentIsObject": (
        "The storage key goes through a name that is an object: a key must not be the folder of another."
    ),
    "XMinioObjectExistsAsDirectory": (
        "The storage key is the folder of other keys: a key must not be the folder of another."
    ),
}
_SAME = {
    "AuthorizationQueryParametersError": "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException": "AuthorizationHeaderMalformed",
    "InvalidRegion": "AuthorizationHeaderMalformed",
    "PermanentRedirect": "AuthorizationHeaderMalformed",
    "TemporaryRedirect": "AuthorizationHeaderMalformed",
    "XMinioInvalidRegion": "AuthorizationHeaderMalformed",
    "TokenRefreshRequired": "ExpiredToken",
    "AllAccessDisabled": "AccessDenied",
    "AccountProblem": "AccessDenied",
    "XMinioAdminBucketQuotaExceeded": "QuotaExceeded",
}
_BUSY = {
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "ServiceUnavailable",
    "BandwidthLimitExceeded",
    "XMinioServerNotInitialized",
}
_PASSING = {
    "InternalError",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "XMinioStorageFull",
    "XMinioReadQuorum",
    "XMinioWriteQuorum",
    "IncompleteBody",
}
_DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"}


class Failures:
    """Makes errors of answers and of broken connections."""

    def __init__(self, settings: Settings) -> None:
        self._store = settings.url.geturl()
        self._bucket = settings.bucket
        self._region = settings.region

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate what the connection raises."""
        try:
            yield
        except SSLError as error:
            raise self._tls(error) from error
        except NameResolutionError as error:
            raise self._away(
                f"the name of the host is not known: check the setting endpoint{self._or_region}"
            ) from error
        except NewConnectionError as error:  # before the time-out, which it is derived from
            raise self._away("the connection was refused: check host and port in the setting endpoint") from error
        except ConnectTimeoutError as error:
            raise self._away("no connection within the setting connect_timeout") from error
        except ReadTimeoutError as error:
            raise self._away("no answer within the setting read_timeout") from error
        except (HTTPError, OSError) as error:
            raise self._away("the connection broke") from error

    def of(self, response: urllib3.BaseHTTPResponse, method: str, permission: str) -> BackendError:
        """Return the error that an answer means."""
        code = code_of(response)
        if method == "HEAD" and not code and response.status in (400, 403, 404):
            return WithoutReasonError(response.status)
        return self.of_code(code, response, permission)

    def of_code(self, code: str, response: urllib3.BaseHTTPResponse, permission: str) -> BackendError:
        """Return the error of a code, which may also stand in an answer with status 200."""
        code = _SAME.get(code, code)
        found = self._of_request(code, response) or self._passing(code, response)
        if found is not None:
            return found
        if code in _REFUSED:
            # MinIO also says so of a write while another client deletes the last other key of the same "folder".
            kind = DoubtfulError if code == "AccessDenied" and permission == "s3:PutObject" else RefusedError
            return kind(_REFUSED[code].format(store=self._store, bucket=self._bucket, permission=permission))
        if not code:
            return RefusedError(
                f"The S3 store {self._store} answered with status {response.status} and no reason, as no S3 store does:"
                " check the setting endpoint."
            )
        return RefusedError(
            f"The S3 store {self._store} refused a request that needs {permission}:"
            f" {code or f'status {response.status}'}."
        )

    def _of_request(self, code: str, response: urllib3.BaseHTTPResponse) -> BackendError | None:
        """Return the error of an answer to what was asked, not of the store's own troubles."""
        status = response.status
        if status == 412 or code == "PreconditionFailed":
            return ConditionFailedError("A condition of a request to the S3 store did not hold.")
        if status == 416:
            return RangeError("The range begins behind the end of the object.")
        if code == "NoSuchUpload":
            return NotFoundError(f"The S3 store {self._store} does not know the upload any more.")
        if code == "NoSuchKey":
            return NotFoundError("There is no object under this storage key.")
        if code == "AuthorizationHeaderMalformed" or status in (301, 307):
            return self._elsewhere(response)
        return None

    def _passing(self, code: str, response: urllib3.BaseHTTPResponse) -> UnavailableError | None:
        """Return the error of what may pass."""
        status = response.status
        if code in _DAMAGED:
            return UnavailableError(f"An object was damaged on its way to the S3 store {self._store}: send it again.")
        if code in _BUSY or (status in (429, 503) and code not in _REFUSED):
            return BusyError(f"The S3 store {self._store} is too busy (status {status}): try again.", _after(response))
        if code in _PASSING or status == 408 or (status >= 500 and status != 501 and code not in _REFUSED):
            return UnavailableError(f"The S3 store {self._store} failed ({code or f'status {status}'}): try again.")
        return None

    def without_reason(self, status: int, permission: str) -> BackendError:
        """Return the error of an answer that gives none, after the store was asked for the reason in vain."""
        if status == 404:
            return NotFoundError("There is no object under this storage key.")
        if status == 403:
            words = {"store": self._store, "bucket": self._bucket, "permission": permission}
            return RefusedError(_REFUSED["AccessDenied"].format(**words))
        return RefusedError(
            f"The S3 store {self._store} refused a request with status {status} and no reason: check the settings"
            " bucket, access_key and session_token."
        )

    @property
    def _or_region(self) -> str:
        return " or region" if "amazonaws.com" in self._store else ""

    def _away(self, why: str) -> UnavailableError:
        return UnavailableError(f"The S3 store {self._store} cannot be reached: {why}.")

    def _tls(self, error: SSLError) -> BackendError:
        for cause in (error, *error.args, error.__cause__, error.__context__):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return RefusedError(
                    f"The certificate of the S3 store {self._store} cannot be verified ({cause.verify_message}): check"
                    " the host in the setting endpoint, and the authorities in tls.ca."
                )
        if any(word in str(error) for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")):
            return RefusedError(
                f"The S3 store {self._store} does not speak TLS there: check the settings endpoint and tls.mode."
            )
        return self._away("the TLS connection broke")

    def _elsewhere(self, response: urllib3.BaseHTTPResponse) -> RefusedError:
        said = _REGION.search(response.data or b"")
        region = response.headers.get("x-amz-bucket-region") or (said[1].decode() if said else None)
        hint = f": it says {region}" if region and re.fullmatch(r"[a-z0-9-]{1,40}", region) else ""
        return RefusedError(
            f"The bucket {self._bucket} at {self._store} is not in the region {self._region}; check the setting"
            f" region{hint}."
        )


def code_of(response: urllib3.BaseHTTPResponse) -> str:
    """Return the code in the body of an answer, or in MinIO's header; empty where there is none."""
    found = _CODE.search(response.data or b"")
    return found[1].decode() if found else response.headers.get("x-minio-error-code", "")


def _after(response: urllib3.BaseHTTPResponse) -> float | None:
    """Read Retry-After: seconds, or a date."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
