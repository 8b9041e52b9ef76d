"""What S3 can do, as the client of the storage: each method one request."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import urllib3

from dicom_common.core import AlreadyExistsError, BackendError, NotFoundError, RefusedError
from dicom_common.storage.object import (
    Body,
    CopyingClient,
    EmptyBody,
    Kept,
    ObjectStorage,
    Page,
    Part,
    Probed,
    RemoteObject,
    Unfinished,
    Upload,
    clock_compared,
)
from dicom_common.storage.s3._errors import ConditionFailedError, Failures, RangeError, WithoutReasonError, code_of
from dicom_common.storage.s3._http import Request, Wire
from dicom_common.storage.s3._settings import Settings
from dicom_common.storage.s3._xml import completing, page_of, text_of, unfinished_of

__all__ = ["S3Client", "S3Storage"]

_META = "x-amz-meta-"
_CHECKSUM = "x-amz-checksum-sha256"
_BEFORE_DOT = "-\U0010ffff"
_COPY = "s3:GetObject and s3:PutObject"
_READ, _WRITE, _LIST, _DELETE = "s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"
_ABORT, _UPLOADS, _VERSIONS = "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads", "s3:GetBucketVersioning"


class S3Client(CopyingClient):
    """A bucket."""

    def __init__(self, settings: Settings) -> None:
        self.name = f"the bucket {settings.bucket} at {settings.url.geturl()}"
        self._wire = Wire(settings)
        self._failures = Failures(settings)
        self._bucket, self._prefix = settings.bucket, settings.prefix

    def put(self, key: str, body: bytes | memoryview, kept: Kept, *, if_absent: bool) -> RemoteObject:
        """PutObject."""
        request = Request(
            method="PUT",
            permission=_WRITE,
            key=key,
            headers={**_headers(kept), **_checksum(kept.sha256), **_condition(if_absent=if_absent)},
            body=body,
            sha256=kept.sha256,
        )
        answer = self._conditional(request)
        return RemoteObject(
            key=key,
            size=len(body),
            modified=_date(answer.headers) or datetime.now(UTC),
            version=_etag(answer.headers),
            sha256=kept.sha256,
            attempt=kept.attempt,
        )

    def start(self, key: str, kept: Kept, *, if_absent: bool) -> Upload:  # noqa: ARG002 - S3 has no condition here
        """CreateMultipartUpload."""
        return self._started(key, kept, {"x-amz-checksum-algorithm": "SHA256"})

    def deletes_wholly(self) -> bool:
        """Look at the versioning of the bucket, which also comes with a lock; where that may not be seen, it is on."""
        return self._versioning() == "off"

    def start_copy(self, key: str, kept: Kept) -> Upload:
        """CreateMultipartUpload; MinIO copies no part where it is to know a checksum of each."""
        return self._started(key, kept, {})

    def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:  # noqa: ARG002 - S3 needs neither
        """UploadPart."""
        sha256 = hashlib.sha256(body).hexdigest()
        checksum = _checksum(sha256)
        answer = self._wire.send(
            Request(
                method="PUT",
                permission=_WRITE,
                key=upload.key,
                query={"partNumber": str(number), "uploadId": upload.id},
                headers=checksum,
                body=body,
                sha256=sha256,
            )
        )
        return Part(number=number, size=len(body), receipt=f"{checksum[_CHECKSUM]} {answer.headers.get('ETag', '')}")

    def copy_part(self, upload: Upload, number: int, *, source: str, start: int, length: int) -> Part:
        """UploadPartCopy."""
        headers = {
            "x-amz-copy-source": quote(f"/{self._bucket}/{source}"),
            "x-amz-copy-source-range": f"bytes={start}-{start + length - 1}",
        }
        query = {"partNumber": str(number), "uploadId": upload.id}
        answer = self._wire.send(Request(method="PUT", permission=_COPY, key=upload.key, query=query, headers=headers))
        # As in `finish`, an answer of 200 may turn out to be an error.
        if code := code_of(answer):
            raise self._failures.of_code(code, answer, _COPY)
        if not answer.data:  # that of a part of no bytes: it has not seen that it was to copy
            raise RefusedError("The S3 store does not copy parts (UploadPartCopy).")
        checksum, etag = (text_of(answer.data, name) for name in ("ChecksumSHA256", "ETag"))
        return Part(number=number, size=length, receipt=f"{checksum} {etag}")

    def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
        """CompleteMultipartUpload."""
        body = completing(parts)
        request = Request(
            method="POST",
            permission=_WRITE,
            key=upload.key,
            query={"uploadId": upload.id},
            headers={"Content-Type": "application/xml", **_condition(if_absent=if_absent)},
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
        )
        answer = self._conditional(request)
        # The store answers before it is done, and says so in the body when that fails.
        if code := code_of(answer):
            raise self._failures.of_code(code, answer, _WRITE)

    def abandon(self, upload: Upload) -> None:
        """AbortMultipartUpload."""
        try:
            self._wire.send(Request(method="DELETE", permission=_ABORT, key=upload.key, query={"uploadId": upload.id}))
        except NotFoundError:
            return

    def unfinished(self, prefix: str) -> Sequence[Unfinished]:
        """ListMultipartUploads."""
        query = {"uploads": "", "prefix": prefix, "encoding-type": "url"}
        return unfinished_of(self._wire.send(Request(method="GET", permission=_UPLOADS, query=query)).data)

    def get(self, key: str, *, start: int, length: int | None, version: str | None) -> Body:
        """GetObject."""
        headers = {}
        if start or length is not None:
            headers["Range"] = f"bytes={start}-" if length is None else f"bytes={start}-{start + length - 1}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        try:
            answer = self._wire.open(Request(method="GET", permission=_READ, key=key, headers=headers))
        except ConditionFailedError as error:
            raise NotFoundError("The object was replaced.") from error
        except RangeError:
            return EmptyBody(self.head(key))
        return _Streamed(_found(key, answer), answer, self._failures)

    def head(self, key: str) -> RemoteObject:
        """HeadObject."""
        try:
            return _found(key, self._wire.send(Request(method="HEAD", permission=_READ, key=key)))
        except WithoutReasonError as error:
            self._listed("", limit=1)  # where the bucket is missing or the key is wrong, this says so
            raise self._failures.without_reason(error.status, _READ) from error

    def list(self, prefix: str, *, after: str, cursor: str | None, limit: int) -> Page:
        """ListObjectsV2."""
        if prefix.rpartition("/")[2] not in (".", ".."):
            return self._listed(prefix, after=cursor or after, limit=limit)
        # MinIO takes these for a path that leaves the bucket. `..a` is a key all the same: begin a little before it.
        start = max(cursor or after, prefix[:-1] + _BEFORE_DOT)
        page = self._listed(prefix.rstrip("."), after=start, limit=limit)
        beyond = any(found.key > prefix and not found.key.startswith(prefix) for found in page.found)
        return replace(page, following=None) if beyond else page

    def delete(self, key: str) -> None:
        """DeleteObject."""
        self._wire.send(Request(method="DELETE", permission=_DELETE, key=key))

    def sign(self, key: str, *, expires: int) -> str:
        """Sign a URL; no request is made."""
        return self._wire.presigned(key, expires)

    def probe(self) -> Probed:
        """Look at the bucket: whether it is there, its versioning, and the clock of the store."""
        before = datetime.now(UTC)
        answer = self._wire.send(Request(method="GET", permission=_LIST, query=_listing(self._prefix, "", 1)))
        return clock_compared(Probed(facts={"versioning": self._versioning()}), answer.headers.get("Date"), before)

    def close(self) -> None:
        """Release the connections."""
        self._wire.close()

    def _started(self, key: str, kept: Kept, headers: Mapping[str, str]) -> Upload:
        headers = {**_headers(kept), **headers}
        answer = self._wire.send(
            Request(method="POST", permission=_WRITE, key=key, query={"uploads": ""}, headers=headers)
        )
        return Upload(key=key, kept=kept, id=text_of(answer.data, "UploadId"))

    def _conditional(self, request: Request) -> urllib3.BaseHTTPResponse:
        try:
            return self._wire.send(request)
        except ConditionFailedError as error:
            raise AlreadyExistsError("There is an object under this storage key already.") from error

    def _listed(self, prefix: str, *, after: str = "", limit: int) -> Page:
        answer = self._wire.send(Request(method="GET", permission=_LIST, query=_listing(prefix, after, limit)))
        return page_of(answer.data)

    def _versioning(self) -> str:
        try:
            answer = self._wire.send(Request(method="GET", permission=_VERSIONS, query={"versioning": ""}))
        except (RefusedError, WithoutReasonError):
            return "unknown"
        return text_of(answer.data, "Status").lower() or "off"


class _Streamed(Body):
    """The body of an answer."""

    def __init__(self, found: RemoteObject, answer: urllib3.BaseHTTPResponse, failures: Failures) -> None:
        self.found = found
        self._answer = answer
        self._failures = failures

    def read(self, size: int) -> bytes:
        """Read on."""
        with self._failures.translated():
            return self._answer.read(size)

    def close(self) -> None:
        """Give the connection back if all was read; else cut it: the rest would have to be read by its next user."""
        if self._answer.length_remaining == 0:
            self._answer.release_conn()
        self._answer.close()


def _headers(kept: Kept) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        f"{_META}sha256": kept.sha256,
        f"{_META}attempt": kept.attempt,
    }


def _checksum(sha256: str) -> dict[str, str]:
    """Give the digest once more: the store keeps this one, and buckets with a lock ask for it."""
    return {_CHECKSUM: base64.b64encode(bytes.fromhex(sha256)).decode()}


def _condition(*, if_absent: bool) -> dict[str, str]:
    return {"If-None-Match": "*"} if if_absent else {}


def _listing(prefix: str, after: str, limit: int) -> dict[str, str]:
    # Keys may hold what XML cannot; and policies are about the parameter `delimiter`, too, so that it is always sent.
    query = {"list-type": "2", "prefix": prefix, "delimiter": "", "max-keys": str(limit), "encoding-type": "url"}
    return {**query, "start-after": after} if after else query


def _found(key: str, answer: urllib3.BaseHTTPResponse) -> RemoteObject:
    headers = answer.headers
    total = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    modified = headers.get("Last-Modified")
    if not total.isdecimal() or modified is None:
        raise BackendError("The S3 store told neither size nor time of an object: it does not speak the protocol.")
    return RemoteObject(
        key=key,
        size=int(total),
        modified=parsedate_to_datetime(modified),
        version=_etag(headers),
        sha256=headers.get(f"{_META}sha256"),
        attempt=headers.get(f"{_META}attempt"),
    )


def _etag(headers: Mapping[str, str]) -> str:
    return headers.get("ETag", "").strip('"')


def _date(headers: Mapping[str, str]) -> datetime | None:
    text = headers.get("Date")
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


class S3Storage(ObjectStorage):
    """Objects in a bucket. Opening it makes no request: `check` tells whether it works.

    Args:
        settings: where, and how.

    Raises:
        ConfigError: a file of `tls` cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(S3Client(settings), settings)
