"""The requests of WebDAV that the storage needs, each made once, and what their answers mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree as ET

import httpx

from acme_webdav._settings import Settings
from dicom_common.core import AlreadyExistsError, BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.toolkit import BusyError, Meaning, Meanings, Retry

__all__ = ["Found", "WebDavClient"]

_CHUNK = 1 << 18
_LOCK = (
    b'<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
    b"<locktype><write/></locktype></lockinfo>"
)
_MEANINGS = (
    Meaning(NotFoundError, "{where} has no such object.", codes=(404, 410)),
    Meaning(AlreadyExistsError, "{where} has an object under this key.", codes=(412,)),
    Meaning(RefusedError, "{where} refuses the user: correct storage.user or storage.password.", codes=(401,)),
    Meaning(BusyError, "{where} is busy: try again.", codes=(423, 429, 503)),
    Meaning(UnavailableError, "{where} is full: free space there.", codes=(507,)),
    Meaning(UnavailableError, "{where} failed ({code}): try again, and look at its log.", codes=(500, 502, 504)),
    Meaning(RefusedError, "{where} refuses the request ({code}): check the user's permissions.", codes=range(400, 500)),
    Meaning(
        UnavailableError,
        "{where} cannot be reached: check storage.url, and that the server runs ({name}).",
        classes=(httpx.TransportError,),
    ),
    Meaning(BackendError, "{where} answered in an unforeseen way ({code} {name})."),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a listing tells of a name."""

    name: str
    is_folder: bool
    size: int
    modified: datetime


class WebDavClient:
    """Requests to one server. Thread-safe. Paths are keys; the empty one is the folder of the settings."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.url)
        self.name = f"the WebDAV server {parts.hostname}"
        self._base, self._root = settings.url, unquote(parts.path)
        password = "" if settings.password is None else settings.password.reveal()
        self._client = httpx.Client(
            auth=(settings.user, password) if settings.user else None,
            timeout=settings.timeout,
            headers={"Accept-Encoding": "identity"},
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
        )

    def list(self, path: str, *, depth: int = 1) -> list[Found]:
        """List what lies in a folder (depth 1), or tell of one name (depth 0)."""
        answer = self._request("PROPFIND", path, headers={"Depth": str(depth)})
        with self._translated():
            root = ET.fromstring(answer.content)
        found = [self._found(response) for response in root.iterfind("{DAV:}response")]
        own = f"{self._root}{path}".rstrip("/")
        return [each for where, each in found if (where.rstrip("/") == own) == (depth == 0)]

    def make_folder(self, path: str) -> None:
        """Make a folder; one that is there is left alone."""
        self._request("MKCOL", path + "/", taken=(201, 405))

    def put(self, path: str, body: BinaryIO, size: int) -> None:
        """Write an object, not atomically."""
        body.seek(0)
        chunks = iter(lambda: body.read(_CHUNK), b"")
        self._request("PUT", path, content=chunks, headers={"Content-Length": str(size)})

    def move(self, path: str, target: str, *, replace: bool) -> None:
        """Rename an object; AlreadyExistsError where it must not replace."""
        headers = {"Destination": self._url(target), "Overwrite": "T" if replace else "F"}
        self._request("MOVE", path, headers=headers)

    @contextmanager
    def locked(self, path: str, retry: Retry, seconds: float) -> Iterator[None]:
        """Lock a name, which is made where it is missing; the server ends the lock of a client that died."""
        headers = {"Timeout": f"Second-{math.ceil(seconds)}", "Depth": "0", "Content-Type": "application/xml"}
        answer = retry.call(lambda: self._request("LOCK", path, content=_LOCK, headers=headers))
        try:
            yield
        finally:
            with suppress(BackendError):  # it ends by itself
                self._request("UNLOCK", path, headers={"Lock-Token": answer.headers.get("Lock-Token", "")})

    def delete(self, path: str) -> None:
        """Delete an object. What is not there is no error. A folder would go with all that is in it."""
        self._request("DELETE", path, taken=(200, 204, 404))

    @contextmanager
    def get(self, path: str, start: int, length: int) -> Iterator[Iterator[bytes]]:
        """Open a range of an object, which is at least one byte long."""
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        with self._translated(), self._client.stream("GET", self._url(path), headers=headers) as answer:
            if answer.status_code != 206:
                raise self._error(answer)
            yield answer.iter_bytes(_CHUNK)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        content: Iterator[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        taken: tuple[int, ...] = (200, 201, 204, 207),
    ) -> httpx.Response:
        with self._translated():
            answer = self._client.request(method, self._url(path), content=content, headers=headers)
        if answer.status_code not in taken:
            raise self._error(answer)
        return answer

    def _url(self, path: str) -> str:
        return self._base + quote(path)

    def _error(self, answer: httpx.Response) -> BackendError:
        return Meanings(_MEANINGS, {"where": self.name}).error(
            None, answer.status_code, code=answer.status_code, name=""
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.StreamError, ET.ParseError) as error:
            names = {"where": self.name, "code": "", "name": type(error).__name__}
            raise Meanings(_MEANINGS, names).error(error) from error

    def _found(self, response: ET.Element) -> tuple[str, Found]:
        path = unquote(urlsplit(response.findtext("{DAV:}href", "")).path)
        size = response.findtext(".//{DAV:}getcontentlength") or "0"
        modified = response.findtext(".//{DAV:}getlastmodified") or "Thu, 01 Jan 1970 00:00:00 GMT"
        is_folder = response.find(".//{DAV:}collection") is not None
        name = path.rstrip("/").rpartition("/")[2]
        return path, Found(name, is_folder, int(size), parsedate_to_datetime(modified))
