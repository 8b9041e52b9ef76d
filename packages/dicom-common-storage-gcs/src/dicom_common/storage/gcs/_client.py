"""Google Cloud Storage, as its SDK reaches it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import requests
from google.auth.credentials import Signing
from google.cloud.storage import Blob, Client as Sdk  # type: ignore[import-untyped]  # it has no types

from dicom_common.core import AlreadyExistsError, BackendError, NotFoundError, RefusedError
from dicom_common.storage.gcs._credentials import account, authorized_session
from dicom_common.storage.gcs._errors import Failures
from dicom_common.storage.gcs._objects import (
    KEPT_ATTEMPT,
    KEPT_SHA256,
    found_of,
    found_of_answer,
    found_of_resource,
    probed,
)
from dicom_common.storage.gcs._settings import Settings
from dicom_common.storage.gcs._transfer import PARTS, ResponseBody, compose_all, each, part_name, upload
from dicom_common.storage.object import (
    Body,
    Client,
    EmptyBody,
    Kept,
    Keys,
    ObjectStorage,
    Page,
    Part,
    Probed,
    RemoteObject,
    Unfinished,
    Upload,
    clock_compared,
)
from dicom_common.toolkit import parse_json

__all__ = ["GcsClient", "GcsStorage"]

_LISTED = "items(name,size,updated,timeCreated,generation,metadata),nextPageToken"


class GcsClient(Client):
    """A bucket.

    Raises:
        ConfigError: there are no credentials, or a file that a setting names cannot be used.
    """

    names_late = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: requests.Session = (session := authorized_session(settings))
        self._endpoint = settings.url.geturl()
        host = settings.url.netloc
        self.name = f"the bucket {settings.bucket} at {host}"
        self._host = host
        self._failures = Failures(settings.bucket, host, account(settings))
        self._credentials = session.credentials
        self._sdk = Sdk(
            project=None,
            credentials=self._credentials,
            client_options={"api_endpoint": self._endpoint},
            _http=self._session,
        )
        self._bucket = self._sdk.bucket(settings.bucket)
        self._parts = f"{Keys(settings.prefix, self.max_key_bytes).reserved}{PARTS}/"
        self._timeout = (settings.connect_timeout, settings.read_timeout)
        # Given to every call of the SDK: its own retries are off.
        self._once: dict[str, Any] = {"retry": None, "timeout": self._timeout}

    def put(self, key: str, body: bytes | memoryview, kept: Kept, *, if_absent: bool) -> RemoteObject:
        """See `Client`."""
        return self._put(key, body, _metadata(kept), if_absent=if_absent)

    def start(self, key: str, kept: Kept, *, if_absent: bool) -> Upload:
        """See `Client`. `finish` is where it counts; this saves sending what is there."""
        if if_absent:
            with suppress(NotFoundError):
                self.head(key)
                raise AlreadyExistsError("The object is there already.")
        return Upload(key=key, kept=kept, id=uuid4().hex, state=Event())

    def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:  # noqa: ARG002 - the interface's
        """See `Client`."""
        found = self._put(part_name(self._folder(upload), number), body, None, if_absent=False)
        return Part(number=number, size=len(body), receipt=found.version)

    def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
        """See `Client`."""
        composed: Event = upload.state
        if composed.is_set():  # called again for another reason: the parts are gone
            return
        folder = self._folder(upload)
        sources = [(part_name(folder, part.number), int(part.receipt)) for part in parts]
        left = compose_all(folder, sources, lambda name, group: self._compose(name, group, None, if_absent=False))
        self._compose(upload.key, left, _metadata(upload.kept), if_absent=if_absent)
        composed.set()
        with suppress(BackendError):  # the object is there; parts that stay are listed by `check`
            self.abandon(upload)

    def abandon(self, upload: Upload) -> None:
        """See `Client`."""
        cursor: str | None = None
        while True:
            page = self.list(self._folder(upload), after="", cursor=cursor, limit=1000)
            each(self.delete, [found.key for found in page.found])
            cursor = page.following
            if cursor is None:
                return

    def unfinished(self, prefix: str) -> Sequence[Unfinished]:  # noqa: ARG002 - parts lie in one place for all keys
        """See `Client`. The key is the folder of the parts."""
        first: dict[str, Unfinished] = {}
        for found in self.list(self._parts, after="", cursor=None, limit=1000).found:
            folder = found.key[: found.key.rindex("/") + 1]
            first.setdefault(folder, Unfinished(key=folder, started=found.modified))
        return list(first.values())

    def get(self, key: str, *, start: int, length: int | None, version: str | None) -> Body:
        """See `Client`."""
        # Identity: an object that was stored with gzip encoding comes as it is stored.
        headers = {"Accept-Encoding": "gzip"}
        if start or length is not None:
            headers["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
        query = {"alt": "media", **({"generation": version} if version else {})}
        url = f"{self._endpoint}/download/storage/v1/b/{self._settings.bucket}/o/{quote(key, safe='')}"
        with self._failures.translated():
            answer = self._session.request(
                "GET", url, params=query, headers=headers, stream=True, timeout=self._timeout
            )
        if answer.status_code in (200, 206):
            return ResponseBody(answer, found_of_answer(key, answer), self._host)
        with answer, self._failures.translated():
            text = answer.text[:2000]
        if answer.status_code == 416:
            return EmptyBody(self.head(key))
        raise self._failures.answer(answer.status_code, text, answer, "There is no such object.")

    def head(self, key: str) -> RemoteObject:
        """See `Client`."""
        blob = self._blob(key)
        with self._failures.translated("There is no such object."):
            blob.reload(**self._once)
        return found_of(blob)

    def list(self, prefix: str, *, after: str, cursor: str | None, limit: int) -> Page:
        """See `Client`."""
        blobs = self._sdk.list_blobs(
            self._bucket,
            prefix=prefix or None,
            start_offset=after or None,
            page_token=cursor,
            page_size=limit,
            fields=_LISTED,
            **self._once,
        )
        with self._failures.translated():
            page = next(blobs.pages, ())
            return Page(found=[found_of(blob) for blob in page], following=blobs.next_page_token)

    def delete(self, key: str) -> None:
        """See `Client`."""
        with suppress(NotFoundError), self._failures.translated("There is no such object."):
            self._blob(key).delete(**self._once)

    def sign(self, key: str, *, expires: int) -> str:
        """See `Client`. Nothing is asked of Google: the key of the service account signs."""
        if not isinstance(self._credentials, Signing):
            raise RefusedError(
                "A signed URL of Google Cloud Storage needs the key of a service account: give one in credentials_file"
                " (Application Default Credentials of a machine have none)."
            )
        with self._failures.translated():
            url: str = self._blob(key).generate_signed_url(
                version="v4",
                method="GET",
                expiration=timedelta(seconds=expires),
                api_access_endpoint=self._endpoint,
                credentials=self._credentials,
            )
        return url

    def probe(self) -> Probed:
        """See `Client`."""
        url, before = f"{self._endpoint}/storage/v1/b/{self._settings.bucket}", datetime.now(UTC)
        with self._failures.translated():
            answer = self._session.request("GET", url, timeout=self._timeout)
        if answer.status_code == 403:  # objects may be ours to write where the bucket is not ours to look at
            self.list("", after="", cursor=None, limit=1)
            return Probed(facts={"bucket_settings_visible": False})
        if answer.status_code != 200:
            raise self._failures.answer(answer.status_code, answer.text[:2000], answer, "")
        with self._failures.garbled():
            return clock_compared(probed(answer), answer.headers.get("Date"), before)

    def close(self) -> None:
        """See `Client`."""
        self._session.close()

    def _blob(self, key: str) -> Blob:
        return self._bucket.blob(key)

    def _folder(self, upload: Upload) -> str:
        return f"{self._parts}{upload.id}/"

    def _put(
        self, key: str, body: bytes | memoryview, metadata: dict[str, str] | None, *, if_absent: bool
    ) -> RemoteObject:
        url = f"{self._endpoint}/upload/storage/v1/b/{self._settings.bucket}/o"
        with self._failures.translated():
            answer = upload(
                self._session, url, key, body, metadata=metadata, if_absent=if_absent, timeout=self._timeout
            )
        if answer.status_code != 200:
            raise self._failures.answer(answer.status_code, answer.text[:2000], answer, "")
        with self._failures.garbled():
            return found_of_resource(parse_json(answer.content))

    def _compose(
        self, key: str, sources: Sequence[tuple[str, int]], metadata: dict[str, str] | None, *, if_absent: bool
    ) -> tuple[str, int]:
        blob = self._blob(key)
        blob.metadata = metadata
        blob.content_type = "application/octet-stream"
        with self._failures.translated("The parts of a large object are not there any more."):
            blob.compose(
                [self._blob(name) for name, _ in sources],
                if_generation_match=0 if if_absent else None,
                if_source_generation_match=[generation for _, generation in sources],
                **self._once,
            )
        return key, int(blob.generation)


def _metadata(kept: Kept) -> dict[str, str]:
    return {KEPT_SHA256: kept.sha256, KEPT_ATTEMPT: kept.attempt}


class GcsStorage(ObjectStorage):
    """Objects in a bucket of Google Cloud Storage.

    Raises:
        ConfigError: there are no credentials, or a file that a setting names cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(GcsClient(settings), settings)
