"""One signed request to the store, and its answer.

`minio.Minio` itself has no public call for a part of a multipart upload, none that sends a condition when the upload is
completed, retries on its own, and cannot read errors that come as text/xml. So requests are made here, with its public
signer (Signature Version 4); each is exactly one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, quote

import urllib3
from minio.signer import presign_v4, sign_v4_s3

from dicom_common.core.tls import client_context
from dicom_common.storage.s3._credentials import AccessKeys
from dicom_common.storage.s3._errors import Failures
from dicom_common.storage.s3._settings import Settings

__all__ = ["Request", "Wire"]

_EMPTY = hashlib.sha256(b"").hexdigest()
_SEND = 1 << 18
_AGENT = "dicom-common-storage-s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked."""

    method: str
    permission: str
    """That is needed for it, for the sentence that says that it is missing."""
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    sha256: str = _EMPTY
    """Of the body: it is a part of the signature, and the store compares it with what arrives."""


class Wire:
    """The connections to the store. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._access_keys = AccessKeys(settings)
        self._region = settings.region
        url = settings.url
        virtual = settings.addressing == "virtual" or (
            settings.addressing == "auto" and (url.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
        )
        self._url = url._replace(netloc=f"{settings.bucket}.{url.netloc}") if virtual else url
        self._path = "/" if virtual else f"/{settings.bucket}"
        self._virtual = virtual
        self._failures = Failures(settings)
        options: dict[str, Any] = {
            "maxsize": settings.pool_size + settings.parallel_parts,
            "timeout": urllib3.Timeout(connect=settings.connect_timeout, read=settings.read_timeout),
            "retries": False,
        }
        assert self._url.hostname
        self._pool: urllib3.HTTPConnectionPool
        if self._url.scheme == "https":
            self._pool = urllib3.HTTPSConnectionPool(
                self._url.hostname, self._url.port, ssl_context=client_context(settings.tls), **options
            )
        else:
            self._pool = urllib3.HTTPConnectionPool(self._url.hostname, self._url.port, **options)

    def send(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Make a request and return the answer with its body read; for bodies that are small.

        Raises:
            BackendError: its subclass tells what to do; see `Failures`.
        """
        response = self.open(request)
        with self._failures.translated():
            response.read(cache_content=True)
            response.release_conn()
        return response

    def open(self, request: Request) -> urllib3.BaseHTTPResponse:
        """Make a request and return the answer with its body still to be read.

        Raises:
            BackendError: its subclass tells what to do; see `Failures`.
        """
        url, headers = self._signed(request)
        with self._failures.translated():
            response = self._pool.urlopen(
                request.method,
                f"{url.path}?{url.query}" if url.query else url.path,
                body=_pieces(request.body) if request.body else None,  # type: ignore[arg-type]  # any buffer
                headers=headers,
                preload_content=False,
                decode_content=False,
                redirect=False,
            )
            if response.status < 300:  # redirects are errors, too: of the region
                return response
            response.read(cache_content=True)
            response.release_conn()
        raise self._failures.of(response, request.method, request.permission)

    def presigned(self, key: str, expires: int) -> str:
        """Make a URL for GET."""
        keys = self._access_keys.keys()
        query = {"X-Amz-Security-Token": keys.session_token} if keys.session_token else {}
        url = presign_v4(
            method="GET",
            url=self._address(key, query),
            region=self._region,
            credentials=keys,
            date=datetime.now(UTC),
            expires=expires,
        )
        return url.geturl()

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _address(self, key: str, query: Mapping[str, str]) -> SplitResult:
        path = f"{self._path.rstrip('/')}/{quote(key, safe='/')}" if key else self._path
        encoded = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
        return self._url._replace(path=path, query=encoded)

    def _signed(self, request: Request) -> tuple[SplitResult, dict[str, str]]:
        keys, now = self._access_keys.keys(), datetime.now(UTC)
        url = self._address(request.key, request.query)
        headers = {
            **request.headers,
            "Host": url.netloc,
            "User-Agent": _AGENT,
            "x-amz-content-sha256": request.sha256,
            "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
        }
        if request.body or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(request.body))
        if keys.session_token:
            headers["x-amz-security-token"] = keys.session_token
        signed = sign_v4_s3(
            method=request.method,
            url=url,
            region=self._region,
            headers=dict(headers),
            credentials=keys,
            content_sha256=request.sha256,
            date=now,
        )
        return url, {name: str(value) for name, value in signed.items()}


def _pieces(body: bytes | memoryview) -> Iterator[memoryview]:
    """Cut a body, so that the time limit is for each piece: a large part may take long over a slow line."""
    view = memoryview(body)
    for start in range(0, len(view), _SEND):
        yield view[start : start + _SEND]
