"""A small store in memory that can be told to fail, and a storage over it."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from dicom_common.core import AlreadyExistsError, NotFoundError, UnavailableError
from dicom_common.storage.object import (
    Body,
    Client,
    CopyingClient,
    Kept,
    ObjectSettings,
    ObjectStorage,
    Page,
    Part,
    Probed,
    RemoteObject,
    Unfinished,
    Upload,
)

__all__ = ["DOWN", "LARGE", "MIB", "CopyingStore", "LateStore", "MemoryStore", "opened"]


MIB = 1 << 20


class MemoryStore(Client):
    """A whole store: objects, uploads, conditions. `before` and `after` fail a call before or after it has worked."""

    name = "the store in memory"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[RemoteObject, bytes]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.before: dict[str, list[Exception]] = {}
        self.after: dict[str, list[Exception]] = {}
        self.calls: Counter[str] = Counter()
        self.keeps = True
        self.slow = 0.0
        self.cut_after: list[int] = []
        self.on_cut: Callable[[], None] = lambda: None
        self.in_flight = 0
        self.most_in_flight = 0
        self.sent: list[int] = []
        self._versions = count()
        self._lock = threading.RLock()

    def _enter(self, call: str) -> None:
        with self._lock:
            self.calls[call] += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            time.sleep(self.slow)
            if self.before.get(call):
                raise self.before[call].pop(0)
        finally:
            with self._lock:
                self.in_flight -= 1

    def _leave(self, call: str) -> None:
        if self.after.get(call):
            raise self.after[call].pop(0)

    def _keep(self, key: str, data: bytes, kept: Kept, *, if_absent: bool) -> RemoteObject:
        with self._lock:
            if if_absent and self.keeps and key in self.objects:
                raise AlreadyExistsError("it is there")
            found = RemoteObject(
                key=key,
                size=len(data),
                modified=datetime.now(UTC),
                version=str(next(self._versions)),
                sha256=kept.sha256,
                attempt=kept.attempt,
            )
            self.objects[key] = (found, data)
        return found

    def put(self, key: str, body: bytes | memoryview, kept: Kept, *, if_absent: bool) -> RemoteObject:
        self._enter("put")
        found = self._keep(key, bytes(body), kept, if_absent=if_absent)
        self._leave("put")
        return found

    def start(self, key: str, kept: Kept, *, if_absent: bool) -> Upload:  # noqa: ARG002  # the signature is given
        self._enter("start")
        upload = Upload(key=key, kept=kept, id=str(next(self._versions)))
        self.uploads[upload.id] = {}
        return upload

    def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:  # noqa: ARG002
        self._enter("put_part")
        if upload.id not in self.uploads:
            raise NotFoundError("no such upload")
        self.uploads[upload.id][number] = bytes(body)
        self.sent.append(number)
        self._leave("put_part")
        return Part(number=number, size=len(body), receipt=str(number))

    def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
        self._enter("finish")
        if upload.id not in self.uploads:
            raise NotFoundError("no such upload")
        given = self.uploads[upload.id]
        data = b"".join(given[part.number] for part in parts)
        self._keep(upload.key, data, upload.kept, if_absent=if_absent)
        del self.uploads[upload.id]
        self._leave("finish")

    def abandon(self, upload: Upload) -> None:
        self._enter("abandon")
        self.uploads.pop(upload.id, None)

    def unfinished(self, prefix: str) -> Sequence[Unfinished]:  # noqa: ARG002
        started = datetime.now(UTC) - timedelta(days=3)
        return [Unfinished(key="a", started=started) for _ in self.uploads]

    def get(self, key: str, *, start: int, length: int | None, version: str | None) -> Body:
        self._enter("get")
        if key not in self.objects or version not in (None, self.objects[key][0].version):
            raise NotFoundError("no such object")
        found, data = self.objects[key]
        end = None if length is None else start + length
        cut = self.cut_after.pop(0) if self.cut_after else None
        return MemoryBody(found, data[start:end], cut, self.on_cut)

    def head(self, key: str) -> RemoteObject:
        self._enter("head")
        if key not in self.objects:
            raise NotFoundError("no such object")
        return self.objects[key][0]

    def list(self, prefix: str, *, after: str, cursor: str | None, limit: int) -> Page:
        self._enter("list")
        limit = min(limit, 3)  # many pages
        keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
        keys = [key for key in keys if key.encode() > (cursor or after).encode()]
        page = [self.objects[key][0] for key in keys[:limit]]
        return Page(found=page, following=keys[limit - 1] if len(keys) > limit else None)

    def delete(self, key: str) -> None:
        self._enter("delete")
        if self.objects.pop(key, None) is None:
            raise NotFoundError("a store may say so")

    def sign(self, key: str, *, expires: int) -> str:
        return f"memory:{key}?{expires}"

    def probe(self) -> Probed:
        self._enter("probe")
        return Probed(facts={"rooms": 1})

    def close(self) -> None:
        self.calls["close"] += 1


class LateStore(MemoryStore):
    """A store that takes the key with the last request."""

    names_late = True


class CopyingStore(MemoryStore, CopyingClient):
    """A store that copies its objects."""

    keeps_versions = False

    def deletes_wholly(self) -> bool:
        return not self.keeps_versions

    def start_copy(self, key: str, kept: Kept) -> Upload:
        self._enter("start_copy")
        upload = Upload(key=key, kept=kept, id=str(next(self._versions)))
        self.uploads[upload.id] = {}
        self._leave("start_copy")
        return upload

    def copy_part(self, upload: Upload, number: int, *, source: str, start: int, length: int) -> Part:
        self._enter("copy_part")
        self.uploads[upload.id][number] = self.objects[source][1][start : start + length]
        self._leave("copy_part")
        return Part(number=number, size=length, receipt=str(number))


class MemoryBody(Body):
    def __init__(self, found: RemoteObject, data: bytes, cut: int | None, on_cut: Callable[[], None]) -> None:
        self.found = found
        self._data = io.BytesIO(data)
        self._cut = cut
        self._on_cut = on_cut

    def read(self, size: int) -> bytes:
        if self._cut is not None:
            size = min(size, self._cut - self._data.tell())
            if size <= 0:
                self._on_cut()
                raise UnavailableError("the connection broke")
        return self._data.read(size)

    def close(self) -> None:
        self._data.close()


def opened(store: Client, **changed: object) -> ObjectStorage:
    given: dict[str, object] = {"part_size": 5 * MIB, "multipart_threshold": 6 * MIB, "attempts": 4}
    return ObjectStorage(store, ObjectSettings(**{**given, **changed}))  # type: ignore[arg-type]  # made-up values


def random_bytes(size: int) -> bytes:
    return hashlib.shake_128(b"%d" % size).digest(size)


LARGE = random_bytes(22 * MIB)
DOWN = UnavailableError("down")
