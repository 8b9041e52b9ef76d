"""Azure Blob Storage, as its SDK reaches it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient, ContainerClient, StorageStreamDownloader
from dicom_common.core import AlreadyExistsError, BackendError, NotFoundError, RefusedError, UnavailableError
from dicom_common.storage.azure._connect import WINDOW, Signer, account, connect
from dicom_common.storage.azure._errors import Failures
from dicom_common.storage.azure._objects import (
    checked_name,
    found_of,
    in_order,
    may_be_cut,
    metadata_of,
    skip_to,
    total_of,
)
from dicom_common.storage.azure._settings import Settings
from dicom_common.storage.object import (
    Body,
    Client,
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

__all__ = ["AzureClient", "AzureStorage", "RangesBody", "probe"]


class RangesBody(Body):
    """Reads range after range of one version: the SDK hands over a range as a whole, and never a stream.

    Args:
        found: the object.
        first: the first range.
        start: where it begins.
        end: where the bytes that are wanted end.
        fetch: gets the bytes from a place on, a range of them.
    """

    def __init__(
        self, found: RemoteObject, first: bytes, start: int, end: int, fetch: Callable[[int, int], bytes]
    ) -> None:
        self.found = found
        self._ahead = memoryview(first)
        self._position = start + len(first)
        self._end = end
        self._fetch = fetch

    def read(self, size: int) -> bytes:
        """See `Body`."""
        if not self._ahead and self._position < self._end:
            self._ahead = memoryview(self._fetch(self._position, self._end - self._position))
            self._position += len(self._ahead)
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(piece)

    def close(self) -> None:
        """See `Body`. No connection is held between two ranges."""
        self._ahead = memoryview(b"")
        self._end = 0


def probe(service: BlobServiceClient, container: ContainerClient, failures: Failures) -> Probed:
    """Ask for the container, and for the sort of the account where we may."""
    facts: dict[str, str | int | float | bool] = {}
    warnings: list[str] = []
    dates: list[str] = []
    before = datetime.now(UTC)

    def listen(answer: Any) -> None:
        dates.extend(filter(None, [answer.http_response.headers.get("Date")]))

    try:
        with failures.translated():
            told = container.get_container_properties(raw_response_hook=listen)
        facts["immutability_policy"] = bool(told.has_immutability_policy)
        if told.has_immutability_policy:
            warnings.append("its immutability policy refuses to replace and delete")
    except RefusedError:  # a signature may be good for objects only; a container that is missing is said here
        with failures.translated():
            next(container.list_blobs(results_per_page=1, raw_response_hook=listen).by_page(), None)
        facts["container_settings_visible"] = False
    try:
        with failures.translated():
            facts["hierarchical_namespace"] = bool(service.get_account_information().get("is_hns_enabled"))
    except BackendError:
        facts["account_settings_visible"] = False
    if facts.get("hierarchical_namespace"):
        warnings.append(
            "the account has a hierarchical namespace: scans are not in the order of the keys, and a key cannot be the"
            " folder of another; use an account without it"
        )
    return clock_compared(Probed(facts=facts, warnings=warnings), next(iter(dates), None), before)


_ABSENT: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}


class AzureClient(Client):
    """A container.

    Raises:
        ConfigError: there are no credentials, or a file that a setting names cannot be used.
    """

    max_parts = 50_000

    def __init__(self, settings: Settings) -> None:
        self._session = requests.Session()
        self._service = connect(settings, self._session)
        self._container = self._service.get_container_client(settings.container)
        host = urlsplit(self._service.primary_endpoint).netloc
        self.name = f"the container {settings.container} at {host}"
        setting = "connection_string" if settings.connection_string else "endpoint" if settings.endpoint else "account"
        self._failures = Failures(settings.container, host, account(settings), setting)
        self._signer = Signer(self._service, settings.container)

    def put(self, key: str, body: bytes | memoryview, kept: Kept, *, if_absent: bool) -> RemoteObject:
        """See `Client`."""
        blob = self._blob(key)
        try:
            with self._failures.translated():
                answer = blob.upload_blob(
                    bytes(body), overwrite=not if_absent, metadata=metadata_of(kept), validate_content=True
                )
        except AlreadyExistsError:
            if not if_absent:
                raise UnavailableError("Another request writes this object at the moment: try again.") from None
            return self._put_over_blocks(key, body, kept)
        return found_of(key, len(body), answer["etag"], answer["last_modified"], metadata_of(kept))

    def start(self, key: str, kept: Kept, *, if_absent: bool) -> Upload:
        """See `Client`. `finish` is where it counts; this saves sending what is there."""
        if if_absent and self._is_there(key):
            raise AlreadyExistsError("The object is there already.")
        return Upload(key=key, kept=kept, id=uuid4().hex)

    def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:  # noqa: ARG002 - the interface's
        """See `Client`."""
        # Two writers of a key share its uncommitted blocks: their names keep them apart. All have the same length.
        block = f"{upload.id}{number:06d}"
        # The SDK's requests are cycles that live until they are collected: a stream that is closed keeps no bytes.
        with self._failures.translated(), io.BytesIO(body) as stream:
            self._blob(upload.key).stage_block(block, stream, length=len(body), validate_content=True)
        return Part(number=number, size=len(body), receipt=block)

    def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
        """See `Client`."""
        with self._failures.translated():
            self._blob(upload.key).commit_block_list(
                [BlobBlock(part.receipt) for part in parts],
                metadata=metadata_of(upload.kept),
                **(_ABSENT if if_absent else {}),
            )

    def abandon(self, upload: Upload) -> None:
        """See `Client`. Azure has no request for it: it forgets blocks that were not committed within a week.

        They cannot be seen, and the next write of the key makes them vanish at once.
        """

    def unfinished(self, prefix: str) -> Sequence[Unfinished]:  # noqa: ARG002 - the interface's
        """See `Client`. Azure lists them only among all objects, which may be millions; they end by themselves."""
        return ()

    def get(self, key: str, *, start: int, length: int | None, version: str | None) -> Body:
        """See `Client`."""
        blob = self._blob(key)
        try:
            first, found = self._range(blob, key, start, length, version)
        except _BeyondTheEndError:
            found = self.head(key)
            if version and found.version != version:
                raise NotFoundError("The object has another version.") from None
            return EmptyBody(found)
        end = found.size if length is None else min(found.size, start + length)
        return RangesBody(found, first, start, end, lambda at, left: self._range(blob, key, at, left, found.version)[0])

    def head(self, key: str) -> RemoteObject:
        """See `Client`."""
        with self._failures.translated():
            blob = self._blob(key).get_blob_properties()
        return found_of(key, blob.size, blob.etag, blob.last_modified, blob.metadata)

    def list(self, prefix: str, *, after: str, cursor: str | None, limit: int) -> Page:
        """See `Client`."""
        options: dict[str, Any] = {"start_from": skip_to(after)} if skip_to(after) else {}
        found: list[RemoteObject] = []
        while True:
            with self._failures.translated():
                pages = self._container.list_blobs(
                    name_starts_with=prefix or None, include=["metadata"], results_per_page=limit, **options
                ).by_page(cursor)
                found.extend(
                    found_of(blob.name, blob.size, blob.etag, blob.last_modified, blob.metadata)
                    for blob in next(pages, ())
                    if (blob.metadata or {}).get("hdi_isfolder") != "true"  # what a hierarchical account lists, too
                )
                cursor = pages.continuation_token or None  # type: ignore[attr-defined]  # it is a PageIterator
            if cursor is None or not found or may_be_cut(found[-1].key):
                return Page(found=in_order(found), following=cursor)

    def delete(self, key: str) -> None:
        """See `Client`."""
        try:
            with self._failures.translated():
                self._blob(key).delete_blob(delete_snapshots="include")
        except NotFoundError:
            return

    def sign(self, key: str, *, expires: int) -> str:
        """See `Client`. With Microsoft Entra ID, the store is asked for a key once a day."""
        with self._failures.translated():
            return self._signer.sign(self._blob(key), key, expires)

    def probe(self) -> Probed:
        """See `Client`."""
        return probe(self._service, self._container, self._failures)

    def close(self) -> None:
        """See `Client`."""
        self._session.close()

    def _blob(self, key: str) -> BlobClient:
        return self._container.get_blob_client(checked_name(key))

    def _is_there(self, key: str) -> bool:
        try:
            self.head(key)
        except NotFoundError:
            return False
        return True

    def _put_over_blocks(self, key: str, body: bytes | memoryview, kept: Kept) -> RemoteObject:
        """Write what `put` was refused, unless there is an object.

        Blocks of a writer that died before its commit can look like an object to a write with `if_absent`. They
        do not to the commit of a list of blocks, which clears them away.
        """
        if self._is_there(key):
            raise AlreadyExistsError("The object is there already.")
        upload = self.start(key, kept, if_absent=False)
        part = self.put_part(upload, 1, 0, body, last=True)
        try:
            self.finish(upload, [part], if_absent=True)
        except (AlreadyExistsError, NotFoundError):  # the blocks are gone where another has committed meanwhile
            if self._is_there(key):
                raise AlreadyExistsError("The object is there already.") from None
            raise UnavailableError("Another request writes this object at the moment: try again.") from None
        return self.head(key)

    def _range(
        self, blob: BlobClient, key: str, start: int, length: int | None, version: str | None
    ) -> tuple[bytes, RemoteObject]:
        size = WINDOW if length is None else min(length, WINDOW)
        same = {"etag": f'"{version}"', "match_condition": MatchConditions.IfNotModified} if version else {}
        try:
            with self._failures.translated():
                stream = _download(blob, start, size, same)
                told = stream.properties
                found = found_of(key, total_of(told), told.etag, told.last_modified, told.metadata)
                return stream.readall(), found
        except AlreadyExistsError:
            raise NotFoundError("The object has another version.") from None


class _BeyondTheEndError(Exception):
    """The range begins behind the last byte."""


def _download(blob: BlobClient, start: int, size: int, same: dict[str, Any]) -> StorageStreamDownloader[bytes]:
    try:
        return blob.download_blob(start, size, max_concurrency=1, **same)
    except HttpResponseError as error:
        if error.status_code == 416:
            raise _BeyondTheEndError from error
        raise


class AzureStorage(ObjectStorage):
    """Objects in a container of Azure Blob Storage.

    Raises:
        ConfigError: there are no credentials, or a file that a setting names cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(AzureClient(settings), settings)
